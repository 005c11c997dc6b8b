"""Pythia-6.9b (deduplicated) and four of its training steps; needs torch and transformers.

    python -m experiments.prediction_hubs --workdir=DIR \\
        --config=experiments/configs/prediction_hubs/pythia.py \\
        --config.corpora=next_words:pile10k_sane_ds.txt=50000,... \\
        --config.model.dtype=bfloat16 \\
        --config.training_counts=token_freq_the_pile.json

Data of the article (Nielsen, Macocco, Baroni 2025, arXiv 2502.10201): 50,000 contexts of 20 words
each from Bookcorpus, Pile10k and WikiText-103, as published by Cheng et al. 2025 in files
<corpus>_sane_ds.txt, one line `context TAB next word`. Vocabulary 50,277. Training frequencies:
token_freq_the_pile.json of the authors' repository,
50,063 ids, 2.07e11 tokens.
Not run by us: the weights are not to be had here.
"""

from ml_collections import ConfigDict

from experiments.prediction_hubs.config import (
    CORPORA,
    MISSING,
    PUBLISHED,
    SECOND_HAND,
    prediction_hubs_config,
)

EXPECTED = (
    ("vocabulary", "50,277", PUBLISHED),
    ("skewness of N_10, contexts to tokens", "above 40", SECOND_HAND),
    (
        "Spearman over hubs, Pile contexts: Pile and Bookcorpus frequency",
        "0.71 and 0.25",
        SECOND_HAND,
    ),
    ("Spearman over hubs, WikiText contexts: own and another corpus", "0.70 and 0.28", SECOND_HAND),
    ("Spearman over hubs, Bookcorpus contexts: own and WikiText", "0.72 and 0.46", SECOND_HAND),
    ("Spearman over hubs on the Pile from step 512 to the end", "0.59 to 0.71", SECOND_HAND),
    ("accuracy on Pile10k: all, hub, other", "0.37, 0.39, 0.28", SECOND_HAND),
    ("number of hubs; mean, median and largest N_10", "", MISSING),
    ("skewness of N_10 in each corpus", "", MISSING),
    ("mean distance to the uniform distribution", "", MISSING),
    ("Spearman among tokens and among contexts", "", MISSING),
)


def get_config(arg: str = "") -> ConfigDict:
    return prediction_hubs_config(
        arg,
        model="hf:EleutherAI/pythia-6.9b-deduped",
        corpora=CORPORA,
        revisions="step512,step4000,step16000,step64000,main",
        expected=EXPECTED,
    )
