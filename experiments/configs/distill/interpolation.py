"""Spiral arms of which students do not see radii 4 to 7: interpolation, at half the size.

    python -m experiments.distill --config=experiments/configs/distill/interpolation.py:all \\
        --workdir=DIR

The argument is an objective (kl, l1, l2), or all three with the same teachers; `:smoke` runs in
seconds. As spiral.py but for 500 points an arm in place of 1,000, 3 teachers x 3 students, and
measures every 50 epochs as published. Teachers see all radii. Label accuracy where students saw
nothing stands in a row of its own. Published (arXiv:2602.15438): no figure was available; to
expect: logit students, who know how the teacher's logits vary, do no worse on what they never saw.
90 CPU seconds a student, 280 a teacher: an hour on one core.
"""

import dataclasses

from ml_collections import ConfigDict

from experiments.configs.distill.spiral import CONFIG
from experiments.distill.config import Eval, Spiral, distill_config


def get_config(arg: str = "") -> ConfigDict:
    config = dataclasses.replace(
        CONFIG,
        data=Spiral(per_arm=500, split="interpolation"),
        teacher=dataclasses.replace(CONFIG.teacher, num=3),
        student=dataclasses.replace(CONFIG.student, num=3),
        eval=Eval(every=50),
    )
    return distill_config(arg, config)
