"""Distillation objectives, the models they train, and what can be read from the result."""

from distill.heads import l2_logit_loss_from_heads
from distill.objectives import kl_loss, l1_logit_loss, l2_logit_loss, with_label_loss

__all__ = [
    "kl_loss",
    "l1_logit_loss",
    "l2_logit_loss",
    "l2_logit_loss_from_heads",
    "with_label_loss",
]
