"""CIFAR-100: a ResNet-50 teacher and ResNet-18 students, published settings.

    python -m experiments.distill --config=experiments/configs/distill/cifar100.py:all \\
        --workdir=DIR --config.data.path=TFDS_FOLDER

Needs an accelerator; `:smoke` runs anywhere. Published (arXiv:2602.15438): dimension 50, teacher
10 epochs, students 50, Adam 1e-3 (held at 1e-6 for 2 epochs, then times 0.995 an epoch), batch 32,
no augmentation, 5 teachers x 5 students, d_rep over 20,000 label sets, measures every 5 epochs.
Theirs is a ResNet-50 pretrained on ImageNet with ImageNet's stem on 32 x 32 images; ours is the
CIFAR form from scratch, so label accuracies are not comparable. To expect: at similar label
accuracy, logit students with higher mean CCA and lower d_rep than KL students; the paper's table
was not at hand.
"""

from ml_collections import ConfigDict

from experiments.distill.config import distill_config, network, plan


def get_config(arg: str = "") -> ConfigDict:
    config = distill_config(
        arg,
        {"name": "cifar100"},
        models=(network("resnet50", 50, head="fan_in"), network("resnet18", 50)),
        plans=(plan(10, 1e-3, 32, held_epochs=2), plan(50, 1e-3, 32, held_epochs=2)),
        num_sets=20_000,
    )
    if not config.data.smoke:
        config.eval.every, config.log_every, config.save_every = 5, 1, 1
    return config
