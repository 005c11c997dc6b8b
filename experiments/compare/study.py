"""The study of two or more saved models: every measure and bound between them."""

import dataclasses
from typing import Any

import jax

from experiments.compare import tables
from experiments.compare.entries import Entry, align, read_entries, shared_labels
from experiments.compare.figures import figures
from experiments.compare.measures import (
    FIRST,
    FIRST_OF_REPRESENTATIONS,
    MEASURES,
    REPRESENTATIONS,
    Options,
    bounds,
    matrix,
    measure,
    resample,
)
from experiments.runtime import study
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import digest_of
from experiments.runtime.store import Store
from experiments.runtime.study import Config, Study
from experiments.runtime.workspace import Workspace

DEFAULTS = {"measures": "mcca,cka", "draws": 200, "sets": 200, "seed": 0, "stacked": False}
LEAST_DRAWS = 20


@dataclasses.dataclass(frozen=True)
class Prepared(study.Prepared):
    """The entries, what was done to align them, and how their measures are estimated."""

    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    options: Options = Options(jax.random.key(0))


def prepare(config: Config) -> Prepared:
    """Reads the entries of `models`, and checks that they have the `measures`."""
    references = config["models"].split(",")
    entries, notes = align(read_entries(references, stacked=config["stacked"]))
    for name in config["measures"].split(","):
        if name not in MEASURES:
            raise nearest(name, MEASURES, "measure")
        if name not in REPRESENTATIONS and any(entry.g is None for entry in entries):
            raise UserError(f"{name} needs models with f and g; some entries have f alone")
    shared_labels(entries)
    if config["draws"] and config["draws"] < LEAST_DRAWS:
        raise UserError(
            f"--draws={config['draws']}; accepted: 0 for none, or {LEAST_DRAWS} or more, of "
            "which one in twenty can be"
        )
    if config["sets"] < 1:
        raise UserError(f"--sets={config['sets']}; accepted: 1 or more")
    key = jax.random.key(config["seed"])
    options = Options(key, num_input_sets=config["sets"], draws=config["draws"])
    return Prepared(
        config=config,
        digests={entry.name: digest_of([entry.f, entry.g, entry.b]) for entry in entries},
        entries=tuple(entries),
        notes=tuple(notes),
        options=options,
    )


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """The entries, and their measures and bounds, or their matrices."""
    entries, parts = list(prepared.entries), space.at("parts").store
    facts = {e.name: {"f": e.f.shape, "g": None if e.g is None else e.g.shape} for e in entries}
    found: dict[str, Any] = {"entries": facts, "alignment": prepared.notes}
    found |= {"matrices": {}, "notes": {}}
    if len(entries) == 2:
        return found | _pair(prepared, parts)
    for name in prepared.config["measures"].split(","):

        def compute(name: str = name) -> dict[str, Any]:
            values, notes = matrix(name, entries, prepared.options)
            return {"values": values.tolist(), "notes": notes}

        part = parts.part(f"matrix-{name}", _inputs(prepared), compute)
        found["matrices"][name], found["notes"][name] = part["values"], part["notes"]
    return found


def _inputs(prepared: Prepared) -> dict[str, Any]:
    options = {k: v for k, v in prepared.config.items() if k not in ("models", "measures")}
    return {"entries": list(prepared.digests.values()), "options": options}


def _pair(prepared: Prepared, parts: Store) -> dict[str, Any]:
    a, b = prepared.entries
    options, inputs = prepared.options, _inputs(prepared)
    models = a.g is not None and b.g is not None
    names = list(MEASURES if models else REPRESENTATIONS)
    drawn = (FIRST if models else FIRST_OF_REPRESENTATIONS) if options.draws else ()
    one = lambda kind, make, name: parts.part(
        f"{kind}-{name}", inputs, lambda: make(name, a, b, options)
    )
    found = {
        "measures": {name: one("measure", measure, name) for name in names},
        "resampled": {name: one("resampled", resample, name) for name in drawn},
    }
    if not models:
        return found
    return found | {"bounds": parts.part("bounds", inputs, lambda: bounds(a, b, options))}


STUDY = Study(
    name="compare",
    prepare=prepare,
    run=run,
    figures=lambda record, prepared, space: figures(record, prepared.entries),
    reporting=tables,
)
