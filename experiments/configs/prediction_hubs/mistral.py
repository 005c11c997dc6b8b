"""Mistral-7B. Needs torch and transformers.

    python -m experiments.prediction_hubs --workdir=DIR \\
        --config=experiments/configs/prediction_hubs/mistral.py \\
        --config.corpora=next_words:pile10k_sane_ds.txt=50000,... \\
        --config.model.dtype=bfloat16

Data of the article (Nielsen, Macocco, Baroni 2025, arXiv 2502.10201): 50,000 contexts of 20 words
each from Bookcorpus, Pile10k and WikiText-103, as published by Cheng et al. 2025 in files
<corpus>_sane_ds.txt, one line `context TAB next word`. Vocabulary 32,000. Training frequencies:
not published.
Not run by us: the weights are not available here.
"""

from ml_collections import ConfigDict

from experiments.prediction_hubs.config import published_config


def get_config(arg: str = "") -> ConfigDict:
    return published_config(
        arg,
        "hf:mistralai/Mistral-7B-v0.1",
        "32,000",
        ("Spearman over hubs, Pile contexts: own and another corpus", "0.79 and 0.29"),
        ("accuracy on Pile10k: all, hub, other", "0.35, 0.38, 0.27"),
    )
