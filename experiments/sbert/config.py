"""The keys of a Sentence-BERT config, and its smoke form."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from experiments.runtime.loop import Schedule
from experiments.runtime.ranges import Count, NotNegative, Path, Positive, Seed, Share, Words
from experiments.sbert.objectives import LOSSES, NORMALISATIONS


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is compared of two sentences, and how embeddings are normalised before."""

    loss: Annotated[str, Words(tuple(LOSSES))]
    normalisation: Annotated[str, Words(tuple(NORMALISATIONS))]


@dataclass(frozen=True, kw_only=True)
class Model:
    """The folder of the encoder to start from; "" is all-MiniLM-L6-v2 from its package."""

    folder: Path = ""
    max_length: Positive = 256


@dataclass(frozen=True, kw_only=True)
class Data:
    """The benchmark's folder, and texts for hubness.

    `ag_news` is AG News' test file, of which the first `max_texts` texts are taken; "" skips it.
    """

    folder: Path = ""
    ag_news: Path = ""
    max_texts: Positive = 3000
    smoke: bool = False


@dataclass(frozen=True, kw_only=True)
class Train:
    """How the encoder is trained."""

    batch_size: Positive = 16
    num_steps: Count = 1440  # 4 epochs of 5,749 pairs
    learning_rate: NotNegative = 2e-5
    warmup_fraction: Share = 0.1
    weight_decay: NotNegative = 0.01
    grad_clip: NotNegative = 1.0
    sharding: Literal["replicated", "fsdp"] = "replicated"
    log_every: Count = 20
    eval_every: Count = 360  # 0: after the last step alone
    save_every: Count = 120
    keep: Positive = 2

    @property
    def schedule(self) -> Schedule:
        # The best encoder is among those judged: the last one always is.
        every = self.eval_every or self.num_steps
        return Schedule(self.num_steps, self.log_every, every, self.save_every)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: one loss and normalisation on the STS benchmark."""

    seed: Seed = 0
    objective: Objective
    model: Model = Model()
    data: Data = Data()
    train: Train = Train()


def smoke_form(config: Config) -> Config:
    """A run of seconds on synthetic data that still logs, judges and saves."""
    train = replace(
        config.train, num_steps=8, learning_rate=1e-2, log_every=2, eval_every=4, save_every=4
    )
    data = replace(config.data, smoke=True)
    return replace(config, model=replace(config.model, max_length=16), data=data, train=train)
