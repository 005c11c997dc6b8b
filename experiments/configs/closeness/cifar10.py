"""CIFAR-10 classifiers in 2, 3 or 5 dimensions: similar losses, dissimilar representations.

    python -m experiments.closeness --config=experiments/configs/closeness/cifar10.py:dim2 \\
        --workdir=DIR --config.data.path=TFDS_FOLDER

Needs an accelerator; `:smoke` runs anywhere. Published (arXiv:2506.03784): f a CIFAR ResNet-18 with
a linear head, g an MLP of width 128 over labels, Adam 1e-4, batch 32, 20,319 steps (13 epochs),
inputs in [-1, 1], no augmentation, 10 seeds. To expect: in 2 dimensions mCCA(f) of seeds 0 and 1
is .551 at test losses 1.193 and 1.178, KL 1.131, d_LLV 1.546.
"""

from ml_collections import ConfigDict

from experiments.closeness.config import closeness_config


def get_config(arg: str = "") -> ConfigDict:
    name = arg.split(":")[0]
    dim = int(name[3:]) if name in ("dim2", "dim3", "dim5") else 2
    return closeness_config(
        arg,
        {"dim2": (10,), "dim3": (10,), "dim5": (10,)},
        default="dim2",
        data={"name": "cifar10", "path": ""},
        model={"embedding": "resnet18", "dim": dim, "depth": 3, "g_width": 128},
        widths=(64,),
        train={"num_steps": 20_000, "batch_size": 32, "num_seeds": 10},
        min_accuracy=0.0,
    )
