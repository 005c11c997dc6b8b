"""SUB: bird classes with substituted attributes, as embeddings; published settings.

    python -m experiments.distill --config=experiments/configs/distill/sub.py:all \\
        --workdir=DIR --config.data.path=sub.npz

`sub.npz` holds `features` (DINOv2-base class tokens, 768 numbers an image), `label` (33 classes)
and `attribute` (33). Published (arXiv:2602.15438): MLP 768-2048-10 with ReLU and dropout 0.1, two
linear heads without bias for the teacher, 500 epochs each, Adam 5e-3 (held at 5e-6 for 20 epochs,
then times 0.995 an epoch), batch 512, split .56/.14/.30, d_rep over 33 x 250 label sets. To expect,
second-hand: label accuracy KL .93, L1 and L2 .92; concept accuracy KL .06, L1 .75, L2 .72,
teacher .92.
"""

from ml_collections import ConfigDict

from experiments.distill.config import (
    Config,
    Eval,
    Models,
    Network,
    Students,
    Sub,
    Teachers,
    distill_config,
)


def get_config(arg: str = "") -> ConfigDict:
    network = Network(embedding="mlp", dim=10, widths=(2048,))
    config = Config(
        data=Sub(),
        model=Models(teacher=network, student=network),
        teacher=Teachers(epochs=500, learning_rate=5e-3, batch_size=512, held_epochs=20),
        student=Students(epochs=500, learning_rate=5e-3, batch_size=512, held_epochs=20),
        eval=Eval(num_sets=8_250),
    )
    return distill_config(arg, config)
