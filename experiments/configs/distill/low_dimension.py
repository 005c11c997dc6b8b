"""Digits with attributes, students of three dimensions of teachers of five.

    python -m experiments.distill --config=experiments/configs/distill/low_dimension.py:all \\
        --workdir=DIR --config.teacher.num=3 --config.student.num=2

The argument is an objective (kl, l1, l2), or all three; `:smoke` runs in seconds. As attributes.py
in everything else. No student can match its teacher's logits, which are of rank 5: d_logit stays
above zero, and what it bounds, how much of the teacher's representation is missing
(arXiv:2602.15438, theorem F.1; there 25 dimensions of 50 on CIFAR-100), is put to the test. To
expect: all bounds hold, and logit students keep the directions in which the teacher's logits vary
most. 80 CPU seconds a model: half an hour on one core.
"""

import dataclasses

from ml_collections import ConfigDict

from experiments.configs.distill.attributes import CONFIG
from experiments.distill.config import Models, distill_config


def get_config(arg: str = "") -> ConfigDict:
    teacher = CONFIG.model.teacher
    student = dataclasses.replace(teacher, dim=3)
    models = Models(teacher=teacher, student=student)
    return distill_config(arg, dataclasses.replace(CONFIG, model=models))
