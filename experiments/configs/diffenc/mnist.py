"""The paper's MNIST models, 28×28 with 256 levels, through TFDS.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/mnist.py:diffenc-8-2 --config.data.path=TFDS_FOLDER

Published protocol: AdamW, 2e-4, batch 128, 2M steps, 5 seeds. To expect (reported second-hand, not
read in the paper): DiffEnc-8-2 0.003 to 0.007 bits/dim below VDMv-8, within the standard error; no
absolute figure is known to us. On one H100 about ten hours by arithmetic, not measured.
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import diffenc_config


def get_config(arg: str = "") -> ConfigDict:
    return diffenc_config(arg, "mnist")
