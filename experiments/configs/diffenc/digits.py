"""DiffEnc, its non-trainable encoder and the VDM baseline on scikit-learn's 8×8 digits.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/digits.py:diffenc

Models of laptop size: `vdmv`, `nt`, `diffenc`, `free`; every published model is accepted too. Real
images with 17 grey levels, 1,438 to train and 359 to test on. Nobody has published bits/dim here;
the README's table holds ours. To expect, from the paper's small models: the learned encoder lowers
the prior term, the non-trainable one has the worse diffusion loss, and the totals of VDM and
DiffEnc are close.

The noise range keeps the decoder at the same 3.02 standard deviations of noise per half bin as the
published γ_min = −13.3 does for 256 levels: γ_min = 2 ln(1/(3.0187·17)) = −7.88. The published end
points themselves are those of `<model>:published`; `<model>:short` has the range [−4.58, 0], as far
inside as the swirl's [−10, 0] is. `vdmv:params` is widened to 248,201 parameters, `diffenc` and
`free` have 253,682 and 253,698. `<model>:depth-10` and `depth-50` train the bound of so many steps
with the posterior's variance, `…-optimal` with the best one for each step, learned. All runs of
the comparison, again to resume:

    python -m experiments.diffenc.suite --config=experiments/configs/diffenc/digits.py \\
        --models=vdmv,nt,diffenc,vdmv:short,nt:short,diffenc:short --seeds=5 --workdir=DIR
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import Sample, Train, diffenc_config

IN_BINS = {"gamma_min": -7.88}
VARIANTS = {
    "vdmv:params": {"width": 34},
    "depth-10": {"depth": 10},
    "depth-10-optimal": {"depth": 10, "step_variance": "learned"},
    "depth-50": {"depth": 50},
    "depth-50-optimal": {"depth": 50, "step_variance": "learned"},
    "published": {"gamma_min": -13.3},
    "short": {"gamma_min": -4.58, "gamma_max": 0.0},
}


TRAIN = Train(
    batch_size=64,
    num_steps=1_000,
    learning_rate=2e-3,
    decay="cosine",
    grad_clip=1.0,
    ema_decay=0.995,
    log_every=100,
    eval_every=250,
    save_every=500,
)


def get_config(arg: str = "") -> ConfigDict:
    sample = Sample(num_steps=250)
    return diffenc_config(arg, "digits", "diffenc", IN_BINS, VARIANTS, train=TRAIN, sample=sample)
