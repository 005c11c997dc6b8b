"""The examples of arXiv:2603.29488, and the audit of a matrix where one is given.

    python -m experiments.label_cosine --config=experiments/configs/label_cosine/paper.py \\
        --workdir=DIR [--config.matrix=FILE.npz:W]

Seconds on CPU; the argument may be ":smoke". To expect: cosines -1 to .95 at probabilities that
change by rounding; after centring, labels of cosine -.588 compete and labels of .8 never do; at
unit length -.805 and .805; one braid minor of 45 differs (-.18258, .18441).
"""

from dataclasses import replace

from ml_collections import ConfigDict

from experiments.label_cosine.config import Config
from experiments.runtime.cli import split_arg
from experiments.runtime.settings import as_flags


def get_config(arg: str = "") -> ConfigDict:
    _, smoke = split_arg(arg, models=("paper",), default="paper")
    config = Config()
    if smoke:
        config = replace(config, cases=((3, 2), (5, 3)), seeds=2, num_inputs=20_000)
    return as_flags(config)
