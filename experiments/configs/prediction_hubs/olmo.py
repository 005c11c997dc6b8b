"""OLMo-7B. Needs torch and transformers.

    python -m experiments.prediction_hubs --workdir=DIR \\
        --config=experiments/configs/prediction_hubs/olmo.py \\
        --config.corpora=next_words:pile10k_sane_ds.txt=50000,... \\
        --config.model.dtype=bfloat16 \\
        --config.training_counts=token_freq_olmo_sample_dolma.json

Data of the article (Nielsen, Macocco, Baroni 2025, arXiv 2502.10201): 50,000 contexts of 20 words
each from Bookcorpus, Pile10k and WikiText-103, as published by Cheng et al. 2025 in files
<corpus>_sane_ds.txt, one line `context TAB next word`. Vocabulary 50,280. Training frequencies:
token_freq_olmo_sample_dolma.json of the authors' repository,
49,991 ids, 7.94e9 tokens.
Not run by us: the weights are not available here.
"""

from ml_collections import ConfigDict

from experiments.prediction_hubs.config import published_config


def get_config(arg: str = "") -> ConfigDict:
    return published_config(
        arg,
        "hf:allenai/OLMo-7B-hf",
        "50,280",
        ("Spearman over hubs, Pile contexts: own and another corpus", "0.74 and 0.27"),
        ("accuracy on Pile10k: all, hub, other", "0.36, 0.39, 0.29"),
    )
