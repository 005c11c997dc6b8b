"""Distillation objectives, the models they train, and what can be read from the result."""

from distill.classifier import MLP, Classifier, ConceptModel, fan_in_uniform, fan_in_uniform_rows
from distill.heads import l2_logit_loss_from_heads
from distill.objectives import kl_loss, l1_logit_loss, l2_logit_loss, with_label_loss
from distill.probes import LinearProbe, fit_linear_probe
from distill.ranking import kendall_tau, ndcg, pairwise_agreement, spearman_rho
from distill.resnet import BasicBlock, Bottleneck, ResNet, ResNet18, ResNet50
from distill.scores import brier, nll
from distill.summaries import accuracy, classwise_ece, ece, macro_f1

__all__ = [
    "MLP",
    "BasicBlock",
    "Bottleneck",
    "Classifier",
    "ConceptModel",
    "LinearProbe",
    "ResNet",
    "ResNet18",
    "ResNet50",
    "accuracy",
    "brier",
    "classwise_ece",
    "ece",
    "fan_in_uniform",
    "fan_in_uniform_rows",
    "fit_linear_probe",
    "kendall_tau",
    "kl_loss",
    "l1_logit_loss",
    "l2_logit_loss",
    "l2_logit_loss_from_heads",
    "macro_f1",
    "ndcg",
    "nll",
    "pairwise_agreement",
    "spearman_rho",
    "with_label_loss",
]
