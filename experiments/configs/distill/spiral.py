"""Spiral arms: 28 arms of seven labels, the published networks and training.

    python -m experiments.distill --config=experiments/configs/distill/spiral.py:all --workdir=DIR

The argument is an objective (kl, l1, l2), or all three with the same teachers; `:smoke` runs in
seconds. Published setting (arXiv:2602.15438): 1,000 points an arm, MLP 2-512-512-512-2 with ReLU
and dropout 0.1, batch 512, Adam 1e-3 held at 1e-6 for 20 epochs and then decayed by 0.995, teachers
500 epochs, students 250; 5 teachers x 5 students; measures every 50 epochs (ours every 10, of
which these are a part). About 14 ms a step and model on two busy cores. The paper's table was
not available; to expect: at equal label accuracy, logit students of higher mean CCA and lower
d_rep.

Obtained with 3 teachers x 3 students of 100 epochs (docs/reproducing.md), KL, L1, L2: label
accuracy .997, .998, .997; mean CCA .55, .999, .998; median d_rep 45, 2.2, 2.4. The concept is
the arm, which the label does not say and a teacher in dimension 2 need not keep: probes find it in
.68, .68, .67 of cases, and in .66 on the teachers themselves.

Splits: --config.data.split=interpolation (students do not see radii 4 to 7) or extrapolation (they
see nothing else). Fewer examples: --config.data.per_arm=250 with --config.teacher.run=DIR of the
full run. Finetuning on labels: --config.student.start_from=DIR --config.teacher.run=DIR
--config.loss.label_weight=1.
"""

from ml_collections import ConfigDict

from experiments.distill.config import (
    Config,
    Models,
    Network,
    Spiral,
    Students,
    Teachers,
    distill_config,
)

WIDTHS = (512, 512, 512)
CONFIG = Config(
    data=Spiral(),
    model=Models(
        teacher=Network(embedding="mlp", dim=2, widths=WIDTHS, head="fan_in"),
        student=Network(embedding="mlp", dim=2, widths=WIDTHS),
    ),
    teacher=Teachers(epochs=500, learning_rate=1e-3, batch_size=512, held_epochs=20),
    student=Students(epochs=250, learning_rate=1e-3, batch_size=512, held_epochs=20),
)


def get_config(arg: str = "") -> ConfigDict:
    return distill_config(arg, CONFIG)
