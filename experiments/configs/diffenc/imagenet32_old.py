"""Models of ImageNet width on van den Oord et al.'s ImageNet32, the version that VDM used.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/imagenet32_old.py:diffenc-32-8-imagenet \\
        --config.data.path=TFDS_FOLDER

49,999 test images. To expect, in bits/dim: VDM reports 3.72 here (quoted from memory, to be
verified); DiffEnc's 3.46 is on the other version.
The two versions give incomparable figures, so their sizes are checked and their digests recorded.
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import Train, diffenc_config


def get_config(arg: str = "") -> ConfigDict:
    train = Train(batch_size=256, num_steps=1_500_000)
    return diffenc_config(arg, "imagenet32_old", default="diffenc-32-8-imagenet", train=train)
