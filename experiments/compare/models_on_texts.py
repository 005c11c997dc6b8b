"""Models by folder or file as entries: what each makes of the same texts."""

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from experiments.compare.entries import Entry
from experiments.data.texts import sources
from experiments.models.language import language_model, lm
from experiments.models.language.language_model import LanguageModel
from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import spaces
from experiments.models.sentence.huggingface import read_json
from experiments.runtime import row_progress as progress
from experiments.runtime.errors import UserError
from experiments.runtime.store import Store

# Where runs keep the f and g of what they trained, one model for each index of the first axis.
_STACKED_PARTS = ("models.npz", "teacher_outputs.npz")


class Pending(NamedTuple):
    """An entry that is not computed yet.

    Attributes:
      digest: of the weights; with the texts it determines the entry.
      make: computes it, rows kept in a store.
    """

    name: str
    digest: str
    make: Callable[[Store], Entry]


def is_model(reference: str) -> bool:
    """Whether `reference` is a model to run on texts: a folder, or a name of `lm` or `spaces`."""
    kind = reference.partition(":")[0]
    if kind in ("gguf", "hf", "minilm", "model", *lm.PACKAGED):
        return True
    if pathlib.Path(reference).suffix == ".gguf":
        return True
    return pathlib.Path(reference).is_dir() and not _is_run(pathlib.Path(reference))


def kept_by_run(reference: str) -> str:
    """The file of f and g, a seed on their first axes, of a run's folder; others as they are.

    Raises:
      UserError: for a run that keeps none or several: then one of its files is to be given.
    """
    folder = pathlib.Path(reference)
    if not _is_run(folder):
        return reference
    found = sorted(p for name in _STACKED_PARTS for p in folder.rglob(name))
    if len(found) != 1:
        listed = ", ".join(map(str, found)) or "no file"
        raise UserError(
            f"{folder} keeps the f and g of its models in {listed}; give one such file, or best/ "
            "of a run that trained a sentence encoder"
        )
    return str(found[0])


def _is_run(folder: pathlib.Path) -> bool:
    return (folder / "manifest.json").is_file()


def pending(references: Sequence[str], texts: sources.Texts) -> tuple[list[Pending], list[str]]:
    """What the models of `references` make of `texts`, and notes.

    A sentence encoder gives its embeddings; a causal language model the hidden state after the
    last token of each text, and its unembedding where all of them have one vocabulary.
    """
    named = dict(zip(references, _names(references), strict=True))
    loaded = {r: lm.load(_spec(r)) for r in references if _is_causal(r)}
    vocabularies = [model.tokenizer.get_vocab() for model in loaded.values()]
    shared = len(loaded) == len(references) and all(v == vocabularies[0] for v in vocabularies)
    made = [
        _causal(named[r], loaded[r], texts.texts, shared)
        if r in loaded
        else _encoder(named[r], r, texts.texts)
        for r in references
    ]
    notes = [f"Inputs are the {len(texts.texts):,} texts of {texts.name}."]
    if loaded:
        notes.append("A language model is compared by its state after a text's last token.")
        if not shared:
            notes.append("The vocabularies differ, so distributions are not compared.")
    return made, notes


def _is_causal(reference: str) -> bool:
    """Whether `reference` is a causal language model, by its name or its folder's config.json."""
    return _spec(reference).partition(":")[0] in ("gguf", "hf", *lm.PACKAGED)


def _spec(reference: str) -> str:
    """A path of a causal language model as `lm.load` names it; others as they are."""
    path = pathlib.Path(reference)
    if path.suffix == ".gguf" and path.is_file():
        return f"gguf:{reference}"
    if not (path / "config.json").is_file():
        return reference
    made_for = read_json(path / "config.json").get("architectures") or [""]
    causal = made_for[0].endswith(("ForCausalLM", "LMHeadModel"))
    return f"hf:{reference}" if causal else reference


def _names(references: Sequence[str]) -> list[str]:
    """The last part of each path, or the whole where two share it."""
    short = [pathlib.PurePath(r.rpartition(":")[2]).name or r for r in references]
    return [s if short.count(s) == 1 else r for s, r in zip(short, references, strict=True)]


def _encoder(name: str, reference: str, texts: Sequence[str]) -> Pending:
    kind, _, folder = reference.partition(":")
    where = spaces.minilm_folder() if kind == "minilm" else folder if kind == "model" else reference
    model = sentence.load(where)

    def make(store: Store) -> Entry:
        say = progress.line(name)
        return Entry(name, sentence.encode(model, texts, store=store.at(name), say=say))

    return Pending(name, model.sha256, make)


def _causal(name: str, model: LanguageModel, texts: Sequence[str], with_head: bool) -> Pending:
    first = [] if model.bos is None else [model.bos]
    contexts = [(first + ids)[: model.context_length] for ids in model.tokenise(texts)]
    empty = next((i for i, context in enumerate(contexts) if not context), None)
    if empty is not None:
        raise UserError(f"text {empty:,}, counted from 0, has no token for {name}; remove it")

    def make(store: Store) -> Entry:
        say = progress.line(name)
        f = language_model.extract(model, contexts, store.at(name), batch_size=16, say=say)
        return Entry(name, f, model.unembedding, model.bias) if with_head else Entry(name, f)

    return Pending(name, model.sha256, make)
