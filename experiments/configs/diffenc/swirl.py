"""DiffEnc on the two-dimensional, 8-bit swirl of the VDM code, with small MLPs.

    python -m experiments.diffenc.train --workdir=DIR \\
        --config=experiments/configs/diffenc/swirl.py:diffenc

Models: `vdmv`, `nt`, `diffenc`, `free`, each also as `<model>:short` on the noise range [−10, 0] in
place of the published end points; `vdmv:params` has as many parameters as `free`. To expect, in
bits/dim on the training points after 8,000 steps of 512 (a feasibility run, not a published
figure): vdmv 5.62, nt 5.64, diffenc 5.62, and 5.805 / 5.848 / 5.780 on the short range. Measured on
fresh points after 4,000 steps, 5 seeds, short range: 5.833 / 5.875 / 5.811, each ± 0.001 over seeds
(results/diffenc/swirl_short.json). Half a minute a run on two quiet cores. All runs of the
comparison; the same command resumes:

    python -m experiments.diffenc.suite --config=experiments/configs/diffenc/swirl.py \\
        --models=vdmv,nt,diffenc,vdmv:short,nt:short,diffenc:short --seeds=5 --workdir=DIR
"""

from ml_collections import ConfigDict

from experiments.diffenc.config import Eval, Sample, Train, diffenc_config

# Nine octaves: with only the two finest, as for images, an MLP does not resolve the arms (7.5 in
# place of 6.0 bits/dim after 1,500 steps of vdmv:short).
OCTAVES = {"fourier": tuple(range(9))}
VARIANTS = {"short": {"gamma_min": -10.0, "gamma_max": 0.0}, "vdmv:params": {"width": 144}}


TRAIN = Train(
    batch_size=512,
    num_steps=8_000,
    learning_rate=2e-3,
    decay="cosine",
    weight_decay=0.0,
    ema_decay=0.998,
    log_every=200,
    eval_every=2_000,
    save_every=2_000,
)


def get_config(arg: str = "") -> ConfigDict:
    return diffenc_config(
        arg,
        "swirl",
        default="diffenc",
        options=OCTAVES,
        variants=VARIANTS,
        train=TRAIN,
        eval=Eval(batch_size=1024, times_per_image=50),
        sample=Sample(num=2048, num_steps=500),
    )
