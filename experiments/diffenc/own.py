"""A diffusion model of your images, of a laptop's size: from training to a page with samples."""

import contextlib
import math
import pathlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from diffenc.presets import HALF_BIN_IN_STDS
from experiments.data import Wanted
from experiments.diffenc import page
from experiments.diffenc.config import PUBLISHED_RANGE, Config, Sample, Train, diffenc_config
from experiments.diffenc.evaluate import evaluate
from experiments.diffenc.sample import sample
from experiments.diffenc.train import STUDY
from experiments.runtime import settings
from experiments.runtime.errors import UserError
from experiments.runtime.study import Record, Request, attempted

SIZE = 16  # to which images are resized unless said otherwise; minutes on two cores
# How messages call the keys of a config, and what `repgeo train` calls them.
FLAGS = {
    "--config.data.": "--",
    "--config.train.": "--",
    "config.data.": "data.",
    "config.train.": "train.",
    "config.sample.num": "--num-samples",
    "config.seed": "--seed",
    "data.path": "--data",
    "data.test_share": "--test-share",
    "train.batch_size": "--batch-size",
    "train.num_steps": "--steps",
    "train.learning_rate": "--learning-rate",
    "data.": "--",
}
LAPTOP = Train(
    batch_size=32,
    num_steps=400,
    learning_rate=2e-3,
    decay="cosine",
    grad_clip=1.0,
    ema_decay=0.99,
    log_every=20,
    eval_every=200,
    save_every=200,
)


def own_config(
    data: Wanted,
    model: str,
    *,
    seed: int = 0,
    num_samples: int = 36,
    **train: int | float,
) -> Config:
    """The config of one model on images of your own.

    Args:
      model: as the argument of a config of `experiments/configs/diffenc`.
      train: what is other than in `LAPTOP`.

    Raises:
      UserError: for an unknown model, or values that own images cannot have.
    """
    with _flags_named():
        data = settings.read(Wanted, settings.plain(data), "data.")
    # The decoder's noise is that of the published end point, in units of a bin.
    levels = data.levels or 256
    low = PUBLISHED_RANGE[0] if levels == 256 else -2 * math.log(HALF_BIN_IN_STDS * levels)
    flags = diffenc_config(model, data.name, "diffenc", {"gamma_min": low})
    return replace(
        STUDY.read(flags.to_dict()),
        seed=seed,
        data=data,
        train=replace(LAPTOP, **train),
        sample=Sample(num=num_samples, num_steps=100),
    )


def own_data(path: str, **given: Any) -> Wanted:
    """The images at `path`; of what is None the default: a laptop's size, arrays as they are."""
    is_array = pathlib.Path(path).suffix.lower() in (".npy", ".npz")
    chosen = {name: value for name, value in given.items() if value is not None}
    return Wanted(**{"name": "images", "path": path, "size": 0 if is_array else SIZE} | chosen)


def complete(config: Config, request: Request, *, aside: bool) -> tuple[Record | None, int]:
    """Trains, evaluates and samples: what was measured by name, or None, and the exit code.

    Messages name the options of `repgeo train`.
    """
    with _flags_named():
        record, code = attempted(STUDY, config, request, aside=aside)
    if record is None:
        return None, code
    evaluate(request.workdir)
    sample(request.workdir)
    return page.read(request.workdir), 0


@contextlib.contextmanager
def _flags_named() -> Iterator[None]:
    """Names options where messages name keys of a config."""
    try:
        yield
    except UserError as error:
        message = str(error)
        for key, flag in FLAGS.items():
            message = message.replace(key, flag)
        raise UserError(message) from error
