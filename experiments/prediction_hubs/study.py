"""Who is whose neighbour in every model of a config, and what follows from it."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.data.texts import corpora
from experiments.prediction_hubs import analysis, distances, tables
from experiments.prediction_hubs.config import Config
from experiments.prediction_hubs.figures import figures
from experiments.prediction_hubs.models import Loaded, load
from experiments.prediction_hubs.neighbourhoods import (
    COMPARISONS,
    Neighbourhood,
    Sample,
    Space,
    search,
)
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of
from experiments.runtime.settings import plain
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import Workspace
from hubness import REDUCTIONS

MEASURED = ("euclidean", "cosine", "probability")  # the distances of the histograms
Place = tuple[str, str, str]  # comparison, distance, and corpus, "" among tokens
# What the tables of a model depend on beside its space.
ANALYSED = ("k", "seed", "hubs", "num_top", "bootstrap", "comparisons", "reductions")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """The first model with its contexts, and token counts of the training set where given."""

    first: Loaded
    revisions: tuple[str, ...] = ("",)
    training: np.ndarray | None = None
    omitted: int = 0


def prepare(config: Config) -> Prepared:
    """Model, contexts and counts. Raises `UserError` for what is missing or unknown."""
    if config.hubs.rule == "quantile" and config.hubs.value > 1:
        raise UserError(f"config.hubs.value={config.hubs.value}; of rule 'quantile' at most 1")
    revisions = tuple(config.model.revisions.split(","))
    first = load(config, revisions[0])
    check_sizes(config, first.num_tokens, first.corpora.values())
    training, omitted = None, 0
    if config.training_counts:
        training, omitted = corpora.read_counts(config.training_counts, first.num_tokens)
    digests = first.digests() | ({} if training is None else {"training": digest_of(training)})
    return Prepared(
        config=config,
        digests=digests,
        first=first,
        revisions=revisions,
        training=training,
        omitted=omitted,
    )


def check_sizes(config: Config, num_tokens: int, num_contexts: Collection[int]) -> None:
    """Raises `UserError` where a comparison has fewer points than neighbours are asked of it."""
    tokens, contexts = num_tokens - 1, sum(num_contexts) - 1  # besides the point that asks
    each = min(num_contexts) - (not config.self_included)
    local = max((getattr(REDUCTIONS[r], "local_k", 0) for r in config.reductions), default=0)
    k_most = {"ct": num_tokens, "cc": min(each, contexts), "tt": tokens}
    local_most = {"ct": min(contexts + 1, tokens), "cc": contexts, "tt": tokens}
    for comparison in config.comparisons:
        if config.k > (most := k_most[comparison]):
            raise UserError(
                f"config.k={config.k}: {COMPARISONS[comparison]} has {most:,} points to choose "
                f"from; give k at most that, more contexts, or comparisons without {comparison!r}"
            )
        if local > (most := local_most[comparison]):
            raise UserError(
                f"config.reductions={config.reductions} take {local} neighbours of each point, and "
                f"{COMPARISONS[comparison]} has {most:,}: take more contexts, or give reductions=()"
            )


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """Every table of every model."""
    models = []
    for place, revision in enumerate(prepared.revisions):
        loaded = prepared.first if place == 0 else load(prepared.config, revision)
        models.append(_model(prepared, loaded.space(prepared.config, space), space, revision))
    counts = {f.key: f.counts for f in _found(prepared, space)}
    space.write_arrays("counts.npz", counts)
    return {"models": models}


def _places(config: Config, names: Sequence[str], kinds: Sequence[str]) -> Iterator[Place]:
    """Every search or histogram."""
    for comparison in config.comparisons:
        for distance in kinds:
            for corpus in [""] if comparison == "tt" else names:
                yield comparison, distance, corpus


def _name(words: Sequence[str]) -> str:
    return "-".join(filter(None, words))


def _model(prepared: Prepared, space: Space, run: Workspace, revision: str) -> dict[str, Any]:
    """Every table of one model as plain values; its parts are kept in neighbours/."""
    config, parts = prepared.config, run.at("neighbours").at(revision or "main")
    samples = {s.name: s for s in space.samples}
    base = _digest(space)

    def neighbours(place: Place) -> Neighbourhood:
        comparison, distance, corpus = place
        options = {"k": config.k, "with_self": config.self_included}
        run.say(f"{space.name}: {comparison} {distance} {corpus}")
        find = lambda: _arrays(search(space, comparison, distance, samples.get(corpus), **options))
        part = parts.part(_name(place), [base, place, options], find)
        return Neighbourhood(*place, part["index"], part["counts"])

    def histogram(place: Place) -> dict[str, Any]:
        comparison, distance, corpus = place
        options = {"max_queries": config.max_queries}
        run.say(f"{space.name}: {comparison} {distance} distances")
        measure = lambda: distances.summarise(
            space, comparison, distance, samples.get(corpus), **options
        )
        # Named, so that parts from before it was measured are made again.
        inputs = [base, place, options, "within_query"]
        return parts.part(_name(("histogram", *place)), inputs, measure)

    found = [neighbours(p) for p in _places(config, list(samples), config.distances)]
    histograms = [histogram(p) for p in _places(config, list(samples), MEASURED)]
    frequencies = _frequencies(prepared, space)
    parts.part("frequencies", list(frequencies.items()), lambda: frequencies)
    inputs = [
        base,
        frequencies,
        {key: value for key, value in plain(config).items() if key in ANALYSED},
    ]
    made = parts.part("tables", inputs, lambda: _tables(prepared, space, found, frequencies))
    reduced = parts.part(
        "mitigation",
        inputs,
        lambda: {"mitigation": analysis.mitigation(space, config, run.say)},
    )
    summaries = [{k: v for k, v in h.items() if k not in ("edges", "counts")} for h in histograms]
    return _facts(prepared, space) | made | {"distances": summaries} | reduced


def _digest(space: Space) -> str:
    """SHA-256 of all that neighbours and tables of a space depend on."""
    samples = [[s.name, s.hidden, s.answers, s.counts, s.texts] for s in space.samples]
    return digest_of([samples, space.unembedding, space.bias, space.name])


def _arrays(found: Neighbourhood) -> dict[str, np.ndarray]:
    return {"index": found.index, "counts": found.counts}


def _frequencies(prepared: Prepared, space: Space) -> dict[str, np.ndarray]:
    """Token counts by corpus, those of training last."""
    found = {s.name: s.counts for s in space.samples if s.counts is not None}
    return found if prepared.training is None else found | {"training": prepared.training}


def _facts(prepared: Prepared, space: Space) -> dict[str, Any]:
    return {
        "name": space.name,
        "k": prepared.config.k,
        **space.facts,
        "vocabulary": len(space.unembedding),
        "width": space.unembedding.shape[1],
        "training_ids_omitted": prepared.omitted,
        "samples": [
            {"name": s.name, "num_contexts": len(s.hidden), **s.facts} for s in space.samples
        ],
    }


def _tables(
    prepared: Prepared,
    space: Space,
    found: Sequence[Neighbourhood],
    frequencies: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    config = prepared.config
    samples: dict[str, Sample] = {s.name: s for s in space.samples}
    answered = {s.name: s.answers for s in space.samples if s.answers is not None}
    scored = [f for f in found if f.comparison == "ct" and f.corpus in answered]
    exemplified = [f for f in found if f.corpus and samples[f.corpus].texts and f.distance == "dot"]
    return {
        "hubs": [analysis.hub_table(space, f, frequencies, config) for f in found],
        "accuracy": [analysis.accuracy(f, answered[f.corpus], config) for f in scored],
        "uniformity": analysis.uniformity(space),
        "examples": [
            {
                "comparison": f.comparison,
                "distance": f.distance,
                "corpus": f.corpus,
                "hubs": analysis.examples(space, f, samples[f.corpus]),
            }
            for f in exemplified
        ],
    }


def _found(prepared: Prepared, space: Workspace) -> list[Neighbourhood]:
    """The neighbourhoods of the last model, from its parts."""
    store, config = _parts(prepared, space), prepared.config
    found = []
    for place in _places(config, list(prepared.first.corpora), config.distances):
        part = store.read(_name(place))
        found.append(Neighbourhood(*place, part["index"], part["counts"]))
    return found


def _parts(prepared: Prepared, space: Workspace):
    return space.at("neighbours").at(prepared.revisions[-1] or "main").store


def draw(record: Record, prepared: Prepared, space: Workspace) -> dict[str, Figure]:
    """The figures of the last model."""
    store, config, found = _parts(prepared, space), prepared.config, _found(prepared, space)
    hubs = [analysis.hub_mask(f.counts, config) for f in found]
    names = [s["name"] for s in record["models"][-1]["samples"]]
    histograms = [
        store.read(_name(("histogram", *place))) for place in _places(config, names, MEASURED)
    ]
    return figures(record, found, hubs, store.read("frequencies"), histograms)


STUDY = Study("prediction_hubs", Config, prepare, run, draw, tables)
