"""The keys of a Sentence-BERT config, and its smoke form."""

from dataclasses import dataclass, replace

from experiments.runtime.loop import Schedule


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Names in `objectives.LOSSES` and `objectives.NORMALISATIONS`."""

    loss: str
    normalisation: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """The folder of the encoder to start from; "" is all-MiniLM-L6-v2 from its package."""

    folder: str = ""
    max_length: int = 256


@dataclass(frozen=True, kw_only=True)
class Data:
    """The benchmark's folder, and texts for hubness.

    `ag_news` is AG News' test file, of which the first `max_texts` texts are taken; "" skips it.
    """

    folder: str = ""
    ag_news: str = ""
    max_texts: int = 3000
    smoke: bool = False


@dataclass(frozen=True, kw_only=True)
class Train:
    """How the encoder is trained."""

    batch_size: int = 16
    num_steps: int = 1440  # 4 epochs of 5,749 pairs
    learning_rate: float = 2e-5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    sharding: str = "replicated"  # or "fsdp"
    log_every: int = 20
    eval_every: int = 360
    save_every: int = 120
    keep: int = 2

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.num_steps, self.log_every, self.eval_every, self.save_every)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: one loss and normalisation on the STS benchmark."""

    seed: int = 0
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
