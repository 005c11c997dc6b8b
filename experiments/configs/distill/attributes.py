"""Digits with attributes: do students of a label's logits keep a concept nobody asked for?

    python -m experiments.distill --config=experiments/configs/distill/attributes.py:all \\
        --workdir=DIR

The argument is an objective (kl, l1, l2), or all three with the same teachers; `:smoke` runs in
seconds. Each of scikit-learn's 1,797 digits appears plain, turned by 90 degrees, inverted, framed
and in bold; all forms of a digit fall into the same split. Teachers have two linear heads, class
and attribute; students are distilled on the class logits alone, and a linear probe then reads the
attribute from their embedding. Ten labels in dimension 5 are in general position, so the attribute
head is a linear image B g~ of the label head; the summary reports the rank of g~ and |B|.

The counterpart of the paper's SUB experiment, whose figures second-hand: label accuracy KL .93,
L1 and L2 .92; concept accuracy KL .06, L1 .75, L2 .72, teacher .92. Obtained with 5 teachers x 3
students (docs/reproducing.md): label accuracy KL .954, L1 .940, L2 .938, teacher .94; concept
accuracy KL .24 (chance .2), L1 and L2 1.00, teacher 1.00.

Fashion-MNIST: --config.data.source=fashion_mnist --config.data.path=FOLDER --config.data.size=14.
"""

from ml_collections import ConfigDict

from experiments.distill.config import (
    Attributes,
    Config,
    Models,
    Network,
    Students,
    Teachers,
    distill_config,
)

NETWORK = Network(embedding="mlp", dim=5, widths=(512, 512))
CONFIG = Config(
    data=Attributes(),
    model=Models(teacher=NETWORK, student=NETWORK),
    teacher=Teachers(epochs=300, learning_rate=3e-3, batch_size=512, held_epochs=0),
    student=Students(epochs=300, learning_rate=3e-3, batch_size=512, held_epochs=0),
)


def get_config(arg: str = "") -> ConfigDict:
    return distill_config(arg, CONFIG)
