"""DiffEnc on Fashion-MNIST, read from a folder of idx files, at 28×28 or halved to 14×14.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/fashion_mnist.py:diffenc \\
        --config.data.path=FOLDER --config.data.size=14

Debian's package dataset-fashion-mnist installs the files. Laptop models `vdmv`, `nt`, `diffenc`,
`free` and all published ones. No bits/dim of the paper's models on this set are known to us.

At 14×14 `diffenc` has 253,682 parameters and 254 MFLOP a training image, `vdmv` 220,097 and 200.
Nobody has published a comparison at equal capacity: `vdmv:params` is widened to 248,201 parameters
(−2 %), `vdmv:flops` has a third block on each arm, 252 MFLOP (−1 %) and 276,897 parameters. The
comparison that fits one machine, again to resume:

    python -m experiments.diffenc.suite --config=experiments/configs/diffenc/fashion_mnist.py \\
        --models=vdmv,vdmv:params,vdmv:flops,nt,diffenc --seeds=3 --workdir=DIR \\
        --config.data.path=FOLDER --config.data.size=14 --config.train.num_steps=3000
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import Eval, Train, diffenc_config

VARIANTS = {"vdmv:params": {"width": 34}, "vdmv:flops": {"num_layers": 3}}


TRAIN = Train(
    batch_size=64,
    num_steps=20_000,
    learning_rate=1e-3,
    decay="cosine",
    grad_clip=1.0,
    ema_decay=0.999,
    log_every=100,
    eval_every=5_000,
    save_every=500,
)


def get_config(arg: str = "") -> ConfigDict:
    return diffenc_config(
        arg,
        "fashion_mnist",
        default="diffenc",
        variants=VARIANTS,
        train=TRAIN,
        eval=Eval(times_per_image=8),
    )
