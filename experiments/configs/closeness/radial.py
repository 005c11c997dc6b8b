"""Radial classifiers at five widths: wider models are closer, in distribution and representation.

    python -m experiments.closeness --config=experiments/configs/closeness/radial.py:all \\
        --workdir=DIR

The argument is a number of labels (k4, k6, k10, k18) or "all", and may end in ":smoke". Published
(arXiv:2506.03784, section 5): x ~ N(0, 9 I₂), 20,000 to train and 2,000 to test on; f and g are
MLPs of three hidden layers in 2 dimensions; Adam 1e-4, batch 128, 15,072 steps; 20 seeds; test
accuracy above 0.9; d_LLV over 200 input sets with weight 1e-5. To expect: mean d_LLV and
d_SVD fall with width. Minutes per width on CPU; docs/reproducing.md has what we got.
"""

from ml_collections import ConfigDict

from experiments.closeness.config import Config, Model, Radial, Train, closeness_config

LABELS = {"k4": (4,), "k6": (6,), "k10": (10,), "k18": (18,), "all": (4, 6, 10, 18)}


def get_config(arg: str = "") -> ConfigDict:
    config = Config(
        data=Radial(),
        model=Model(embedding="mlp"),
        widths=(16, 32, 64, 128, 256),
        train=Train(num_steps=15_000, batch_size=128, num_seeds=20),
    )
    return closeness_config(arg, config, LABELS, default="all")
