"""The comparison as a study: entries read and checked, measured, and published."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax

from experiments.compare import models_on_texts, tables
from experiments.compare.config import LEAST_DRAWS, Config
from experiments.compare.entries import Entry, align, read_entries, shared_labels
from experiments.compare.measures import (
    FIRST,
    FIRST_OF_REPRESENTATIONS,
    MEASURES,
    REPRESENTATIONS,
    Options,
    Value,
    bounds,
    chances,
    matrix,
    measure,
    resample,
)
from experiments.compare.models_on_texts import Pending
from experiments.data.texts import sources
from experiments.data.texts.digests import text_digest
from experiments.runtime import study
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import digest_of
from experiments.runtime.settings import plain
from experiments.runtime.store import Store
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A matrix has many pairs: each gets this part of the draws.
OF_MATRIX = 10
_NOT_INPUTS = ("models", "measures", "every")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """Entries, computed or pending, notes on them, and how their measures are estimated."""

    made: tuple[Entry | Pending, ...]
    notes: tuple[str, ...]
    options: Options

    def entries(self, store: Store) -> tuple[list[Entry], list[str]]:
        """All entries with the same inputs, and notes; what is pending is computed in `store`."""
        made = [e if isinstance(e, Entry) else e.make(store) for e in self.made]
        entries, notes = align(made)
        check_measures(self.config, entries)
        return entries, [*self.notes, *notes]


def prepare(config: Config) -> Prepared:
    """Reads the entries of `models`, and checks that they have the `measures`."""
    for name in config.measures.split(","):
        if name not in MEASURES:
            raise nearest(name, MEASURES, "measure")
    key = jax.random.key(config.seed)
    options = Options(key, num_input_sets=config.sets, draws=config.draws)
    made, notes, digests = _made(config)
    prepared = Prepared(
        config=config, digests=digests, made=tuple(made), notes=tuple(notes), options=options
    )
    if all(isinstance(entry, Entry) for entry in made):
        prepared.entries(Store(pathlib.Path()))
    return prepared


def check_measures(config: Config, entries: Sequence[Entry]) -> None:
    """UserError where the entries do not have the measures asked for."""
    shared_labels(entries)
    for name in config.measures.split(","):
        if name not in REPRESENTATIONS and any(entry.g is None for entry in entries):
            raise UserError(f"{name} needs models with f and g; some entries have f alone")


def _made(config: Config) -> tuple[list[Entry | Pending], list[str], dict[str, str]]:
    """The entries of files, then of models to run; notes, and a digest of each."""
    references = config.models
    run = [r for r in references if models_on_texts.is_model(r)]
    texts = config.texts or ""
    if bool(run) != bool(texts):
        raise UserError(
            f"{run[0]} is a model to run: give --texts=text:FILE, one text a line"
            if run
            else "--texts goes with models to run; files of arrays hold their inputs already"
        )
    files = [models_on_texts.kept_by_run(r) for r in references if r not in run]
    found: list[Entry | Pending] = [*read_entries(files, stacked=config.stacked)]
    notes, digest_of_texts = [], ""
    if run:
        read = sources.load(texts)
        digest_of_texts = text_digest(read.texts)
        made, notes = models_on_texts.pending(run, read)
        found += made
    digests = {
        e.name: e.digest + digest_of_texts if isinstance(e, Pending) else _digest(e) for e in found
    }
    return found, notes, digests


def _digest(entry: Entry) -> str:
    ids = [] if entry.ids is None else [entry.ids]
    return digest_of([entry.f, entry.g, entry.b, *ids])


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """The entries, and their measures and bounds, or their matrices."""
    parts = space.at("parts").store
    entries, notes = prepared.entries(parts.at("states"))
    facts = {e.name: {"f": e.f.shape, "g": None if e.g is None else e.g.shape} for e in entries}
    found: dict[str, Any] = {"entries": facts, "alignment": notes}
    found |= {"matrices": {}, "chance": {}, "notes": {}}
    if len(entries) == 2:
        return found | _pair(prepared, entries, space)
    options = prepared.options
    if options.draws:
        options = options._replace(draws=max(LEAST_DRAWS, options.draws // OF_MATRIX))
    for name in prepared.config.measures.split(","):

        def compute(name: str = name) -> dict[str, Any]:
            values, notes = matrix(name, entries, prepared.options)
            return {"values": values.tolist(), "notes": notes}

        part = parts.part(f"matrix-{name}", _inputs(prepared), compute)
        found["matrices"][name], found["notes"][name] = part["values"], part["notes"]
        if options.draws:
            space.say(f"{name} beside chance ...")
            draw = lambda name=name: chances(name, entries, options)
            drawn = parts.part(f"chance-{name}", _inputs(prepared), draw)
            found["chance"][name] = drawn
            found["notes"][name] = sorted({*part["notes"], *drawn["notes"]})
    return found


def _inputs(prepared: Prepared) -> dict[str, Any]:
    options = {k: v for k, v in plain(prepared.config).items() if k not in _NOT_INPUTS}
    return {"entries": list(prepared.digests.values()), "options": options}


def _pair(prepared: Prepared, entries: Sequence[Entry], space: Workspace) -> dict[str, Any]:
    (a, b), parts = entries, space.at("parts").store
    options, inputs = prepared.options, _inputs(prepared)
    models = a.g is not None and b.g is not None
    first = FIRST if models else FIRST_OF_REPRESENTATIONS
    names = [*dict.fromkeys((*first, *FIRST_OF_REPRESENTATIONS))]
    if prepared.config.every:
        names = [*(MEASURES if models else REPRESENTATIONS)]
    drawn = first if options.draws else ()

    def one(kind: str, make: Callable[..., Value], name: str) -> dict[str, Any]:
        space.say(f"{name} {'beside chance ' if make is resample else ''}...")
        return parts.part(f"{kind}-{name}", inputs, lambda: make(name, a, b, options))

    found = {
        "measures": {name: one("measure", measure, name) for name in names},
        "resampled": {name: one("resampled", resample, name) for name in drawn},
    }
    if not models or not prepared.config.every:
        return found
    return found | {"bounds": parts.part("bounds", inputs, lambda: bounds(a, b, options))}


def draw(record: Record, prepared: Prepared, space: Workspace) -> "dict[str, Figure]":
    """The figures of the record and of the entries."""
    from experiments.compare.figures import figures

    return figures(record, prepared.entries(space.at("parts").store.at("states"))[0])


STUDY = Study(
    name="compare",
    settings=Config,
    prepare=prepare,
    run=run,
    figures=draw,
    reporting=tables,
    key="--",
)
