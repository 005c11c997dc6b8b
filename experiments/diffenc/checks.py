"""The values of a DiffEnc config that no run can have, refused before anything is read."""

import math

from experiments.diffenc.config import Config
from experiments.runtime.errors import UserError
from experiments.runtime.optimizers import check_training


def check_values(config: Config) -> None:
    """Raises `UserError` for a number that is out of its range."""
    check_training(config.train)
    least = {
        "eval.batch_size": config.eval.batch_size,
        "eval.times_per_image": config.eval.times_per_image,
        "eval.times_per_image_in_training": config.eval.times_per_image_in_training,
        "sample.num": config.sample.num,
        "sample.num_steps": config.sample.num_steps,
    }
    for name, value in least.items():
        if value < 1:
            raise UserError(f"{name} is {value}; accepted: 1 or more")
    low, high = config.model.options.gamma_min, config.model.options.gamma_max
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(
            f"model.options.gamma_min and gamma_max are {low} and {high}; accepted: two finite "
            "numbers, the first the smaller one"
        )
