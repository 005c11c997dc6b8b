"""A diffusion model of your images, of a laptop's size: from training to a page with samples."""

import math
import pathlib
from typing import Any

from ml_collections import ConfigDict

from diffenc.presets import HALF_BIN_IN_STDS
from experiments.diffenc import page
from experiments.diffenc.config import PUBLISHED_RANGE, diffenc_config
from experiments.diffenc.evaluate import evaluate
from experiments.diffenc.sample import sample
from experiments.diffenc.train import STUDY
from experiments.runtime.errors import UserError
from experiments.runtime.study import Record, Request, attempted

SIZE = 16  # to which images are resized unless said otherwise; minutes on two cores
LAPTOP = {
    "batch_size": 32,
    "num_steps": 400,
    "learning_rate": 2e-3,
    "decay": "cosine",
    "grad_clip": 1.0,
    "ema_decay": 0.99,
    "log_every": 20,
    "eval_every": 200,
    "save_every": 200,
}


def own_config(path: str, model: str, *, seed: int = 0, **given: Any) -> ConfigDict:
    """The config of one model on the images at `path`.

    Args:
      model: as the argument of a config of `experiments/configs/diffenc`.
      given: fields of `experiments.data.Wanted`, and num_steps, batch_size, learning_rate and
        num_samples; None stands for the default of a laptop.

    Raises:
      UserError: for an unknown model.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    is_array = pathlib.Path(path).suffix.lower() in (".npy", ".npz")
    levels = chosen.get("levels") or 256
    # The decoder's noise is that of the published end point, in units of a bin.
    low = -2 * math.log(HALF_BIN_IN_STDS * levels) if levels != 256 else PUBLISHED_RANGE[0]
    config = diffenc_config(model, "images", "diffenc", {"gamma_min": low})
    plan = {name: chosen.pop(name) for name in [*chosen] if name in LAPTOP}
    with config.unlocked():
        config.seed = seed
        config.sample.update({"num": chosen.pop("num_samples", 36), "num_steps": 100})
        config.train.update(LAPTOP | plan)
        config.data.update({"path": path, "size": 0 if is_array else SIZE} | chosen)
    return config


def complete(config: ConfigDict, request: Request, *, aside: bool) -> tuple[Record | None, int]:
    """Trains, evaluates and samples: what was measured by name, or None, and the exit code.

    Messages name the options of `repgeo train`.
    """
    try:
        record, code = attempted(STUDY, config, request, aside=aside)
    except UserError as error:
        said = str(error)
        for key in ("--config.data.", "--config.train.", "data.", "train."):
            said = said.replace(key, "--")
        raise UserError(said.replace("--path=", "--data=").replace("_", "-")) from error
    if record is None:
        return None, code
    evaluate(request.workdir)
    sample(request.workdir)
    return page.read(request.workdir), 0
