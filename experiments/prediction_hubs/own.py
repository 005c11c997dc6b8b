"""The hubs of a language model of yours on a text of yours, without a config."""

import pathlib

from experiments.models.language import lm
from experiments.prediction_hubs.config import Config, Model, Window
from experiments.runtime.errors import UserError


def own_config(
    model: str, text: str, *, contexts: int = 1_000, length: int = 20, dtype: str = "float32"
) -> Config:
    """The config of one model on one text: contexts against tokens, and what reductions do.

    Args:
      model: a folder of transformers, a .gguf file, or a name as `lm.parse` reads it.
      text: a file, or a folder of .txt and .md files.
      contexts: at most so many windows of `length` tokens.

    Raises:
      UserError: there is no such model or text, or a number is below 1.
    """
    if not pathlib.Path(text).exists():
        raise UserError(f"there is no text {text}; give a file, or a folder of .txt and .md files")
    if contexts < 1 or length < 1:
        raise UserError(f"--contexts={contexts} and --length={length}: accepted are 1 or more")
    return Config(
        model=Model(spec=_spec(model), dtype=dtype),
        corpora=f"text:{text}={contexts}",
        window=Window(length=length, at_most=True),
        comparisons=("ct",),
        distances=("dot", "cosine"),
        reductions=(),
    )


def _spec(model: str) -> str:
    """A path of a model as `lm.parse` names it."""
    path = pathlib.Path(model)
    if path.is_dir():
        return f"hf:{model}"
    if path.suffix == ".gguf":
        return f"gguf:{model}"
    lm.parse(model)
    return model
