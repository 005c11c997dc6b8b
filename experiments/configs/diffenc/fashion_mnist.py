"""DiffEnc on Fashion-MNIST, read from a folder of idx files, at 28×28 or halved to 14×14.

    python -m experiments.train_diffenc --workdir=DIR \\
        --config=experiments/configs/diffenc/fashion_mnist.py:diffenc \\
        --config.data.path=FOLDER --config.data.size=14

Debian's package dataset-fashion-mnist installs the files. Laptop models `vdmv`, `nt`, `diffenc`
and all published ones. No bits/dim of the paper's models on this set are known to us.
"""

from ml_collections import ConfigDict

from experiments.diffusion.config import diffenc_config


def get_config(arg: str = "") -> ConfigDict:
    config = diffenc_config(arg, "fashion_mnist", default="diffenc")
    with config.unlocked():
        if not config.data.smoke:
            config.train.update(
                {
                    "batch_size": 64,
                    "num_steps": 20_000,
                    "learning_rate": 1e-3,
                    "decay": "cosine",
                    "grad_clip": 1.0,
                    "ema_decay": 0.999,
                    "log_every": 100,
                    "eval_every": 5_000,
                    "save_every": 500,
                }
            )
            config.eval.times_per_image = 8
    return config
