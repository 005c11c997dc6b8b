"""Every method on every split of an embedding space, and the judgement of one of your own."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.arrays import read_labels, read_matrix, row_blocks
from experiments.data.texts import sources
from experiments.hubness import advice, summary, synthetic, tables, verdict
from experiments.hubness.config import Config, Embeddings
from experiments.hubness.evaluate import Outcome, Split, compare, evaluate, half_split
from experiments.hubness.methods import Method, all_methods, check_local_k
from experiments.models.sentence import spaces
from experiments.runtime import row_progress as progress
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of
from experiments.runtime.settings import plain
from experiments.runtime.store import Part
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Other libraries' names of the two metrics.
METRICS = {"angular": "cosine", "cosine": "cosine", "euclidean": "euclidean", "l2": "euclidean"}
_ACCEPTED = f"accepted are {', '.join(METRICS)}"
_OTHER_METRICS: Mapping[str, str] = dict.fromkeys(
    ("ip", "dot", "inner_product"),
    "inner products are no distances; give cosine, which they are of rows of unit length",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """Texts with their labels, the space that they are embedded in, splits and methods."""

    texts: sources.Texts
    embed: spaces.Embedder
    splits: tuple[Split, ...]
    methods: tuple[Method, ...]
    left_out: tuple[Method, ...]


def prepare(config: Config) -> Prepared:
    """Texts, space, splits and methods. Raises `UserError` for what is missing or unknown."""
    methods = all_methods(config.methods)
    texts, embed, splits, digests = _read(config)
    allowed, left_out = possible(methods, splits)
    check_local_k(allowed, config.local_k, min(len(split.train) for split in splits))
    return Prepared(
        config=config,
        digests=digests,
        facts={"name": texts.name, "sha256": texts.sha256},
        texts=texts,
        embed=embed,
        splits=tuple(splits),
        methods=tuple(allowed),
        left_out=tuple(left_out),
    )


def _read(
    config: Config,
) -> tuple[sources.Texts, spaces.Embedder, list[Split], dict[str, str]]:
    """Texts, the space, one split a seed or the published one where train is given, and digests."""
    if config.smoke:
        x, texts = synthetic.blobs(seed=0)
        splits = [half_split(len(x), texts.labels, seed) for seed in config.seeds]
        embed = spaces.Embedder(lambda texts, store, say: x)
        return texts, embed, splits, {"texts": texts.sha256}
    if not config.texts:
        raise UserError("--config.texts=NAME:FILE is missing, for example ag_news:FILE.csv.gz")
    texts = sources.load(config.texts)
    embed = _embedder(config)
    digests = {"texts": texts.sha256}
    if embed.sha256:
        digests["space"] = embed.sha256
    if not config.train_texts:
        n = len(texts.texts)
        return texts, embed, [half_split(n, texts.labels, s) for s in config.seeds], digests
    points = sources.load(config.train_texts, split="train")
    train, test = np.split(np.arange(len(points.texts) + len(texts.texts)), [len(points.texts)])
    if points.labels is None or texts.labels is None:
        raise UserError(f"{points.name} and {texts.name}: texts of two files need labels in both")
    joined = sources.Texts(
        f"{points.name} and {texts.name}",
        (*points.texts, *texts.texts),
        np.concatenate([points.labels, texts.labels]),
        texts.classes,
        texts.sha256,
    )
    digests["train texts"] = points.sha256
    return joined, embed, [Split(seed, train, test) for seed in config.seeds], digests


def _embedder(config: Config) -> spaces.Embedder:
    name, _, value = config.space.partition(":")
    if name == "sbert":
        from experiments.sbert.space import trained  # Flax: not for files of rows

        return trained(value)
    return spaces.embedder(config.space, seed=config.space_seed)


def possible(
    methods: Sequence[Method], splits: Sequence[Split]
) -> tuple[list[Method], list[Method]]:
    """The methods that these sizes allow, and the others."""
    size = max(max(len(split.train), len(split.test)) for split in splits)
    ruled_out = [m for m in methods if m.max_points and size > m.max_points]
    return [m for m in methods if m not in ruled_out], ruled_out


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """The outcome of every method on every split, and their summary."""
    config, texts = prepared.config, prepared.texts
    line = progress.line(config.space)
    x = prepared.embed(texts.texts, space.at("embeddings").store, line)
    for method in prepared.left_out:
        space.say(f"left out: {method.name} is limited to {method.max_points:,} points")
    rows, counts = _outcomes(prepared, x, space)
    space.write_arrays("counts.npz", counts)
    null = rows[0]["query"]
    return {
        "space": synthetic.SPACE if config.smoke else config.space,
        "metric": config.metric,
        "local_k": config.local_k,
        "seeds": [split.seed for split in prepared.splits],
        "data": _facts(x, texts, prepared.splits[0]),
        "null": {n: null[f"{n}_null"] for n in ("skewness", "robin_hood", "antihub_rate")},
        "rows": rows,
        "summary": summary.summarise(rows),
    }


def _outcomes(
    prepared: Prepared, x: np.ndarray, space: Workspace
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The row of every method on every split, and N_10 under each method on the first split."""
    config, labels, store = prepared.config, prepared.texts.labels, space.at("outcomes")
    digest = digest_of([x, labels])
    options = {"metric": config.metric, "local_k": config.local_k}
    rows, counts = [], {}
    for split in prepared.splits:
        base: Outcome | None = None
        for method in prepared.methods:
            start = time.perf_counter()
            inputs = {"data": digest, "method": method.name, "split": split.seed, **options}
            inputs |= {"train": split.train, "test": split.test}
            compute = lambda method=method, split=split: _as_part(
                evaluate(method, x, labels, split, metric=config.metric, local_k=config.local_k)
            )
            outcome = _of_part(store.part(f"{method.name}-{split.seed}", inputs, compute))
            base = base or outcome
            rows.append(outcome.row | {"mcnemar": compare(base, outcome)})
            if split is prepared.splits[0]:
                counts[method.name] = outcome.counts
            space.say(_line(rows[-1], time.perf_counter() - start))
    return rows, counts


def _as_part(outcome: Outcome) -> Part:
    part = dataclasses.asdict(outcome)
    return {name: value for name, value in part.items() if value is not None}


def _of_part(part: Part) -> Outcome:
    return Outcome(part["row"], part["counts"], part["index"], part.get("right"))


def _facts(x: np.ndarray, texts: sources.Texts, split: Split) -> dict[str, Any]:
    return {
        "name": texts.name,
        "sha256": texts.sha256,
        "num_rows": len(x),
        "width": x.shape[1],
        "num_classes": len(texts.classes),
        "duplicates": len(x) - len(np.unique(x, axis=0)),
        "num_train": len(split.train),
        "num_test": len(split.test),
    }


def _line(row: dict[str, Any], seconds: float) -> str:
    found = row["query"]
    error = f"  error {100 * row['uniform']['error']:.2f} %" if "uniform" in row else ""
    return (
        f"seed {row['seed']}  {row['method']}: skewness {found['skewness']:.2f}  Robin Hood "
        f"{found['robin_hood']:.3f}{error}  ({seconds:.1f} s)"
    )


def draw(record: Record, prepared: Prepared, space: Workspace) -> "dict[str, Figure]":
    """The figures, with neighbours and labels of the first split's points."""
    from experiments.hubness.figures import figures

    split, labels, store = prepared.splits[0], prepared.texts.labels, space.at("outcomes").store
    parts = {m.name: store.read(f"{m.name}-{split.seed}") for m in prepared.methods}
    outcomes = {name: _of_part(part) for name, part in parts.items()}
    return figures(record, outcomes, None if labels is None else labels[split.train])


STUDY = Study("hubness", Config, prepare, run, draw, tables)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged(study.Prepared[Embeddings]):
    """Embeddings with classes, if any, as `advice.advise` takes them."""

    x: np.ndarray
    classes: np.ndarray | None


def prepare_judgement(config: Embeddings) -> Judged:
    """Reads the embeddings that `config` names, with `labels`, `metric` and `max_queries`."""
    if config.metric not in METRICS:
        raise UserError(f"--metric={config.metric}: {_OTHER_METRICS.get(config.metric, _ACCEPTED)}")
    x = read_matrix(config.embeddings, labels=config.labels)
    classes = None if config.labels is None else read_labels(config.labels)
    advice.check(x, classes, METRICS[config.metric], config.max_queries)
    # A mapped file is hashed block by block: hashed as one array it is copied into memory.
    parts = [x[rows] for rows in row_blocks(x)]
    digest = digest_of([x if len(parts) == 1 else parts, classes])
    return Judged(config=config, digests={"embeddings": digest}, x=x, classes=classes)


def judge(prepared: Judged, say: study.Say) -> dict[str, Any]:
    """The practitioner's answer; `counts` holds N_10 under each method."""
    config = prepared.config
    try:
        return advice.advise(
            prepared.x,
            prepared.classes,
            metric=METRICS[config.metric],
            max_queries=config.max_queries,
            reductions=config.reductions,
            say=say,
        )
    except ValueError as error:
        raise UserError(f"{config.embeddings}: {error}") from error


def run_judgement(prepared: Judged, space: Workspace) -> dict[str, Any]:
    """The answer, kept as a part."""
    compute = lambda: _flat(judge(prepared, space.say))
    inputs = plain(prepared.config) | dict(prepared.digests)
    part = space.part("judgement", inputs, compute)
    return part["found"] | {"source": prepared.config.embeddings}


def _flat(found: dict[str, Any]) -> Part:
    counts = found.pop("counts")
    return {"found": found} | {f"counts_{name}": value for name, value in counts.items()}


def draw_judgement(record: Record, prepared: Judged, space: Workspace) -> "dict[str, Figure]":
    """How often points are neighbours, plain and as recommended."""
    from experiments.hubness.figures import occurrence

    part = space.store.read("judgement")
    names = dict.fromkeys(("none", record["recommended"]))
    return {"occurrence": occurrence({name: part[f"counts_{name}"] for name in names})}


JUDGEMENT = Study(
    "hubness",
    Embeddings,
    prepare_judgement,
    run_judgement,
    draw_judgement,
    verdict,
    key="--",
)
