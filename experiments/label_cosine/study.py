"""The paper's examples of label cosines, and the audit of a matrix of yours."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from experiments.label_cosine import examples, tables
from experiments.label_cosine.audit import read_matrix, summarise
from experiments.label_cosine.config import Config
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import Workspace
from similarity import patterns

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """The matrix to audit and its bias, where one is given."""

    audited: tuple[np.ndarray, np.ndarray] | None = None


def prepare(config: Config) -> Prepared:
    """Reads the matrix, where there is one."""
    for k, m in config.cases:
        if math.comb(math.comb(k, 2), min(m, k - 1)) > patterns._MINORS:
            raise UserError(
                f"config.cases: ({k}, {m}) has more than {patterns._MINORS:,} minors, choices "
                f"of {min(m, k - 1)} of {math.comb(k, 2):,} differences of labels; lower either"
            )
    if not config.matrix:
        if config.bias:
            raise UserError(f"config.bias={config.bias!r} is that of a matrix; give config.matrix")
        return Prepared(config=config)
    return prepare_audit(config)


def prepare_audit(config: Config) -> Prepared:
    """Reads the matrix and its bias."""
    audited = read_matrix(config.matrix, config.bias, config.max_labels, config.seed)
    return Prepared(config=config, digests={"matrix and bias": digest_of(audited)}, audited=audited)


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """The examples, and the audit."""
    config, parts = prepared.config, space.at("parts")
    keys = jax.random.split(jax.random.key(config.seed), 3)
    seeded = lambda *names: {name: getattr(config, name) for name in ("seed", *names)}
    found = {
        "translations": parts.part(
            "translations",
            seeded("cosines"),
            lambda: examples.translations(config.cosines, keys[0]),
        ),
        "competing": parts.part("competing", {}, examples.competing_labels),
        "lengths": parts.part("lengths", {}, examples.lengths),
        "signs_and_ranks": parts.part(
            "signs_and_ranks",
            seeded("num_inputs"),
            lambda: examples.signs_and_ranks(keys[1], config.num_inputs),
        ),
        "regions": parts.part(
            "regions",
            seeded("cases", "seeds"),
            lambda: examples.regions_from_cosines(config.cases, config.seeds, keys[2]),
        ),
    }
    return found | run_audit(prepared, space)


def run_audit(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """The audit of the matrix, where there is one."""
    audited = prepared.audited
    if audited is None:
        return {}
    return {"audit": space.at("parts").part("audit", list(audited), lambda: summarise(*audited))}


def draw(record: Record, prepared: Prepared, space: Workspace) -> "dict[str, Figure]":
    """The paper's figures, and the audit's where there is one."""
    from experiments.label_cosine.figures import figures

    return figures(prepared.audited and prepared.audited[0])


def draw_audit(record: Record, prepared: Prepared, space: Workspace) -> "dict[str, Figure]":
    """Cosines of all pairs of rows."""
    from experiments.label_cosine.figures import audit

    return {} if prepared.audited is None else {"audit": audit(prepared.audited[0])}


STUDY = Study(
    name="label_cosine",
    settings=Config,
    prepare=prepare,
    run=run,
    figures=draw,
    reporting=tables,
)
AUDIT = Study("audit", Config, prepare_audit, run_audit, draw_audit, tables, key="--")
