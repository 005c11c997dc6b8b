"""DiffEnc, its non-trainable encoder and the VDM baseline on scikit-learn's 8×8 digits.

    python -m experiments.train_diffenc --workdir=DIR \\
        --config=experiments/configs/diffenc/digits.py:diffenc

Models of laptop size: `vdmv`, `nt`, `diffenc`; every published model is accepted too. Real images
with 17 grey levels, 1,438 to train and 359 to test on. Nobody has published bits/dim here; the
README's table holds ours. To expect, from the paper's small models: the learned encoder lowers the
prior term, the non-trainable one has the worse diffusion loss, and the totals of VDM and DiffEnc
are close.

The noise range keeps the decoder at the same 3.02 standard deviations of noise per half bin as the
published γ_min = −13.3 does for 256 levels: γ_min = 2 ln(1/(3.0187·17)) = −7.88. The published end
points: --config.model.options.gamma_min=-13.3.
"""

from ml_collections import ConfigDict

from experiments.diffusion.config import diffenc_config


def get_config(arg: str = "") -> ConfigDict:
    config = diffenc_config(arg, "digits", default="diffenc")
    with config.unlocked():
        config.model.options.gamma_min = -7.88
        if not config.data.smoke:
            config.train.update(
                {
                    "batch_size": 64,
                    "num_steps": 1_000,
                    "learning_rate": 2e-3,
                    "decay": "cosine",
                    "grad_clip": 1.0,
                    "ema_decay": 0.995,
                    "log_every": 100,
                    "eval_every": 250,
                    "save_every": 500,
                }
            )
            config.sample.num_steps = 250
    return config
