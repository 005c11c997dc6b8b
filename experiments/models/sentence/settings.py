"""What sentence-transformers' files say of a model: pooling, normalisation, length, prompt."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from experiments.models.sentence.huggingface import read_json
from experiments.models.sentence.pooling import POOLINGS
from experiments.runtime.errors import UserError, nearest

# Keys of the files before version 5.4: one truth value a pooling.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_MODULES = ("Transformer", "Pooling", "Normalize")
_ACCEPTED = "accepted are Transformer, Pooling and perhaps Normalize, in this order"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a text becomes a vector.

    Attributes:
      encoder: the folder of config.json, weights and tokenizer.
      pooling: names of `pooling.POOLINGS`; the vectors of several are joined.
      normalise: whether an embedding has length 1.
      max_length: tokens at which a text is cut; None where the files set no limit.
      cut_left: whether its beginning is cut off, not its end.
      lower_case: whether the text is lowered before the tokenizer's own steps.
      prompt: what is put before every text.
    """

    encoder: pathlib.Path
    pooling: tuple[str, ...] = ("mean",)
    normalise: bool = False
    max_length: int | None = None
    cut_left: bool = False
    lower_case: bool = False
    prompt: str = ""


def read(folder: pathlib.Path) -> Settings:
    """The settings in modules.json and the files that it names.

    Without modules.json, those of sentence-transformers for a bare encoder: the mean, of any
    length.

    Raises:
      UserError: naming what is outside these choices, for example a module Dense.
    """
    path = folder / "modules.json"
    if not path.exists():
        return Settings(folder, **_lengths(folder))
    places = _modules(path)
    encoder = folder / places["Transformer"]
    pooling = read_json(folder / places["Pooling"] / "config.json")
    prompt = _prompt(folder / "config_sentence_transformers.json")
    if prompt and not pooling.get("include_prompt", True):
        raise UserError(
            f"{folder}: include_prompt false leaves the prompt {prompt!r} out of the pooling, "
            "which is not supported"
        )
    return Settings(
        encoder,
        pooling=_pooling(folder, pooling),
        normalise="Normalize" in places,
        prompt=prompt,
        **_lengths(encoder),
    )


def write(folder: pathlib.Path, settings: Settings, width: int) -> None:
    """The files from which `read` gets `settings` back, for an encoder of this width in `folder`.

    tokenizer_config.json is left to the caller.
    """
    kinds = _MODULES if settings.normalise else _MODULES[:2]
    places = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    entries = [
        {"idx": i, "name": str(i), "path": places[k], "type": f"sentence_transformers.models.{k}"}
        for i, k in enumerate(kinds)
    ]
    pooling = {"word_embedding_dimension": width, "pooling_mode": list(settings.pooling)}
    # Versions before 5.4 read these alone.
    pooling |= {key: name in settings.pooling for key, name in _FLAGS.items()}
    limit = {"max_seq_length": settings.max_length, "do_lower_case": settings.lower_case}
    prompts = {"prompts": {"text": settings.prompt}, "default_prompt_name": "text"}
    for kind in kinds[1:]:
        (folder / places[kind]).mkdir(exist_ok=True)
    for name, value in {
        "modules.json": entries,
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": limit,
        "config_sentence_transformers.json": prompts if settings.prompt else {},
    }.items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def _modules(path: pathlib.Path) -> dict[str, str]:
    """Where each module's files are, the modules checked."""
    try:
        kinds = {m["type"].rsplit(".", 1)[-1]: m["path"] for m in json.loads(path.read_text())}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no list of modules with type and path: {error!r}") from error
    for kind in kinds:
        if kind not in _MODULES:
            raise UserError(f"{path}: module {kind} is not supported; {_ACCEPTED}")
    if list(kinds) not in (list(_MODULES), list(_MODULES[:2])):
        raise UserError(f"{path} lists {', '.join(kinds) or 'no module'}; {_ACCEPTED}")
    return kinds


def _pooling(folder: pathlib.Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    if "pooling_mode" in config:
        given = config["pooling_mode"]
        names = (given,) if isinstance(given, str) else tuple(given or ())
    else:
        for key in config:
            if key.startswith("pooling_mode") and key not in _FLAGS:
                raise nearest(key, _FLAGS, f"pooling in {folder}:")
        names = tuple(name for key, name in _FLAGS.items() if config.get(key)) or ("mean",)
    for name in names:
        if name not in POOLINGS:
            raise nearest(str(name), POOLINGS, f"pooling_mode in {folder}:")
    if not names:
        raise UserError(f"{folder}: pooling_mode is empty; accepted are {', '.join(POOLINGS)}")
    return names


def _lengths(encoder: pathlib.Path) -> dict[str, Any]:
    """Limit and case; a file's max_seq_length stands before the tokenizer's own."""
    config, tokenizer = (
        read_json(path) if path.exists() else {}
        for path in (encoder / "sentence_bert_config.json", encoder / "tokenizer_config.json")
    )
    task = config.get("transformer_task", "feature-extraction")
    output = config.get("module_output_name", "token_embeddings")
    if (task, output) != ("feature-extraction", "token_embeddings"):
        raise UserError(f"{encoder}: a transformer for {task!r} giving {output!r} is not supported")
    limit = config.get("max_seq_length") or tokenizer.get("model_max_length")
    return {
        # Tokenizers without a limit are written with one of 1e30.
        "max_length": None if limit is None or limit > 1e9 else int(limit),
        "cut_left": tokenizer.get("truncation_side", "right") == "left",
        "lower_case": bool(config.get("do_lower_case", False)),
    }


def _prompt(path: pathlib.Path) -> str:
    config = read_json(path) if path.exists() else {}
    name = config.get("default_prompt_name")
    if name is None:
        return ""
    if name not in config.get("prompts", {}):
        raise UserError(f"{path}: default_prompt_name {name!r} is none of its prompts")
    return config["prompts"][name] or ""
