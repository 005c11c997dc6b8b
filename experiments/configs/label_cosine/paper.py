"""The examples of arXiv:2603.29488, and the audit of a matrix where one is given.

    python -m experiments.label_cosine --config=experiments/configs/label_cosine/paper.py \\
        --workdir=DIR [--config.matrix=FILE.npz:W]

Seconds on CPU; the argument may be ":smoke". To expect: cosines -1 to .95 at probabilities that
change by rounding; after centring, labels of cosine -.588 compete and labels of .8 never do; at
unit length -.805 and .805; one braid minor of 45 differs (-.18258, .18441).
"""

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg


def get_config(arg: str = "") -> ConfigDict:
    _, smoke = split_arg(arg, models=("paper",), default="paper")
    config = ConfigDict()
    config.seed = 0
    config.cosines = (-1.0, -0.5, 0.0, 0.5, 0.95)
    config.num_inputs = 50_000
    # Checked with `seeds` matrices each: (labels, dimension).
    config.cases = tuple((k, m) for k in (3, 5, 10) for m in (2, 3, 4) if (k, m) != (10, 4))
    config.seeds = 10
    # Audited: FILE or FILE:NAME, its bias likewise; rows beyond max_labels are sampled.
    config.matrix, config.bias, config.max_labels = "", "", 2_000
    if smoke:
        config.cases, config.seeds, config.num_inputs = ((3, 2), (5, 3)), 2, 20_000
    return config.lock()
