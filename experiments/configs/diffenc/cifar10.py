"""The paper's CIFAR-10 models through TFDS, with the published hyper-parameters.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/cifar10.py:diffenc-32-4 \\
        --config.data.path=TFDS_FOLDER --config.train.num_steps=8_000_000

To expect, total bits/dim on the test set (reported second-hand; fixed schedule):
  vdmv-32       8M steps, 3 seeds   2.641 ± 0.003   diffusion 2.629, prior 0.0012
  diffenc-32-4  8M steps, 3 seeds   2.620 ± 0.006   diffusion 2.609, prior 0.0007
  vdmv-8        2M steps, 5 seeds   2.783           diffusion 2.772
  diffenc-8-2   2M steps, 5 seeds   2.783           diffusion 2.772
Reconstruction is about 0.0104 for all (exact for the fixed decoder). Cost by arithmetic: 20 TFLOP
a step for the 32-layer nets, about 14 hours per million steps on one H100 at 40 % of its peak.
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import diffenc_config


def get_config(arg: str = "") -> ConfigDict:
    return diffenc_config(arg, "cifar10", default="diffenc-32-4")
