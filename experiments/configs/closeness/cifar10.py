"""CIFAR-10 classifiers in 2, 3 or 5 dimensions: similar losses, dissimilar representations.

    python -m experiments.closeness --config=experiments/configs/closeness/cifar10.py:dim2 \\
        --workdir=DIR --config.data.path=TFDS_FOLDER

Needs an accelerator; `:smoke` runs anywhere. Published (arXiv:2506.03784): f a CIFAR ResNet-18 with
a linear head, g an MLP of width 128 over labels, Adam 1e-4, batch 32, 20,319 steps (13 epochs),
inputs in [-1, 1], no augmentation, 10 seeds. To expect: in 2 dimensions mCCA(f) of seeds 0 and 1
is .551 at test losses 1.193 and 1.178, KL 1.131, d_LLV 1.546.
"""

from ml_collections import ConfigDict

from experiments.closeness.config import Cifar10, Config, Eval, Model, Train, closeness_config

DIMS = {"dim2": 2, "dim3": 3, "dim5": 5}


def get_config(arg: str = "") -> ConfigDict:
    dim = DIMS.get(arg.split(":")[0], 2)
    config = Config(
        data=Cifar10(),
        model=Model(embedding="resnet18", dim=dim, g_width=128),
        widths=(64,),
        train=Train(num_steps=20_000, batch_size=32, num_seeds=10),
        eval=Eval(min_accuracy=0.0),
    )
    return closeness_config(arg, config, dict.fromkeys(DIMS, (10,)), default="dim2")
