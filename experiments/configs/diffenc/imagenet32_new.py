"""Models of ImageNet width on Chrabaszcz et al.'s ImageNet32, the version that DiffEnc used.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/imagenet32_new.py:diffenc-32-8-imagenet \\
        --config.data.path=TFDS_FOLDER

50,000 test images. To expect, in bits/dim: 3.46 in total for vdmv-32-imagenet and for
diffenc-32-8-imagenet alike, 1.5M steps, 3 seeds (reported second-hand); only the prior term falls.
The two versions give incomparable figures, so their sizes are checked and their digests recorded.
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import Train, diffenc_config


def get_config(arg: str = "") -> ConfigDict:
    train = Train(batch_size=256, num_steps=1_500_000)
    return diffenc_config(arg, "imagenet32_new", default="diffenc-32-8-imagenet", train=train)
