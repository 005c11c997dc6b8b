"""Radial classifiers at the narrowest width alone, all 20 seeds: how d_LLV is spread over seeds.

    python -m experiments.closeness --config=experiments/configs/closeness/narrow.py:all \\
        --workdir=DIR --record=results/closeness/narrow.json

The argument is k4, k6 or "all", and may end in ":smoke". As radial.py in everything but the widths:
at width 16 few seeds decide the mean of all pairs, and the authors released five of theirs. To
expect, of those above 0.9 of test accuracy: mean d_LLV .452 with 4 labels (4 of 5 models) and .509
with 6 (3 of 5). Three CPU seconds a seed, and a minute for the constructed models.
"""

from ml_collections import ConfigDict

from experiments.closeness.config import Config, Model, Radial, Train, closeness_config

LABELS = {"k4": (4,), "k6": (6,), "all": (4, 6)}


def get_config(arg: str = "") -> ConfigDict:
    config = Config(
        data=Radial(),
        model=Model(embedding="mlp"),
        widths=(16,),
        train=Train(num_steps=15_000, batch_size=128, num_seeds=20),
    )
    return closeness_config(arg, config, LABELS, default="all")
