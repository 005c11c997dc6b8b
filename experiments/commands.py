"""All commands, one line each; those that are studies are held to every promise of a run."""

import importlib
from typing import Any, NamedTuple

from experiments.runtime.study import Study


class Command(NamedTuple):
    """A module of `experiments` that is run with `python -m`, and what it does.

    Attributes:
      study: where its `Study` is, MODULE:NAME below `experiments`; "" for what reads finished runs.
    """

    name: str
    line: str
    study: str = ""

    def load(self) -> Study[Any, Any]:
        """The study itself."""
        module, name = self.study.split(":")
        return getattr(importlib.import_module(f"experiments.{module}"), name)


COMMANDS = (
    Command("diffenc.train", "trains a diffusion model with or without a learned encoder",
            "diffenc.train:STUDY"),
    Command("diffenc.evaluate", "bits/dim of a trained run with its Monte-Carlo error"),
    Command("diffenc.sample", "samples of a trained run"),
    Command("diffenc.suite", "trains, evaluates and compares several models and seeds"),
    Command("diffenc.inspect", "what a trained encoder does by depth, and what it costs"),
    Command("diffenc.frechet", "Fréchet distance of samples in features of your own"),
    Command("diffenc.likelihood", "likelihoods beyond the ELBO: sampler paths, ODE flow"),
    Command("diffenc.steps", "the best levels and variances for few sampling steps"),
    Command("diffenc.import_published", "a checkpoint of the published code as a run of ours"),
    Command("closeness", "how near classifiers come that differ in their seeds",
            "closeness.study:STUDY"),
    Command("distill", "what students keep of their teachers, by KL or by logits",
            "distill.study:STUDY"),
    Command("label_cosine", "what cosines between label representations tell",
            "label_cosine.study:STUDY"),
    Command("hubness", "hubness of an embedding space under every reduction",
            "hubness.study:STUDY"),
    Command("hubness --embeddings", "whether your embeddings are hubby, and what to do",
            "hubness.study:JUDGEMENT"),
    Command("prediction_hubs", "hubs among a language model's contexts and tokens",
            "prediction_hubs.study:STUDY"),
    Command("sbert", "trains a sentence encoder on the STS benchmark",
            "sbert.study:STUDY"),
    Command("compare", "every measure and bound between saved models",
            "compare.study:STUDY"),
    Command("report", "the tables of README and docs from recorded runs, or a run's page"),
    Command("reproduce", "each record: its command, its cost, whether it stands; makes it again"),
    Command("verify_text", "our text models against the PyTorch reference"),
)  # fmt: skip
STUDIES = {command.name: command for command in COMMANDS if command.study}
