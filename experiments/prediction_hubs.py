"""Hubs of a language model's contexts and vocabulary, and whether they are frequent tokens.

python -m experiments.prediction_hubs --config=experiments/configs/prediction_hubs/smollm2.py \
    --workdir=DIR [--config.corpora=CORPUS=N,...] [--record=results/prediction_hubs/NAME.json]

DIR receives the hidden states (an interrupted extraction continues), result.json, counts.npz,
tables.md, figures/ and report.html. The config's argument "all:smoke" runs all of it in seconds on
a made-up model. --config.model.spec=npz:FILE reads hidden states that were extracted elsewhere.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from experiments.lmhubs import analysis, distances, report
from experiments.lmhubs.config import parse_corpora
from experiments.lmhubs.neighbourhoods import Neighbourhood, Sample, Space, search_all
from experiments.runtime import cli
from experiments.runtime.manifest import claim_workdir, environment, write_json
from experiments.text import contexts, corpora, language_model, lm, progress, states, tiny

OPTIONS = {"record": (str, "Also write the results, without histograms, to this file.")}
Say = Callable[[str], None]


def read_space(config: ConfigDict, revision: str, workdir: pathlib.Path) -> Space:
    """Contexts and vocabulary of the model; hidden states come from `workdir` where they are."""
    spec, corpora_of = config.model.spec, parse_corpora(config.corpora)
    if config.smoke:
        spec, corpora_of = make_smoke(workdir / "smoke", corpora_of)
    kind, value = lm.parse(spec)
    if kind in ("npz", "safetensors"):
        return _stored_space(states.read(kind, value))
    suffix = f"@{revision}" if revision else ""
    model = lm.load(spec + suffix, dtype=config.model.dtype)
    samples = []
    for word, n in corpora_of.items():
        made = contexts.make(word, model, n=n, seed=config.seed, **config.window)
        if not samples:
            first = np.array([ids for ids in made.ids if len(ids) == len(made.ids[0])][:16])
            error = language_model.check_head(model, first)
        folder = workdir / "states" / (revision or "main") / made.name
        line = progress.line(f"{model.name} {made.name}")
        hidden = language_model.extract(
            model, made.ids, folder, batch_size=config.batch_size, say=line
        )
        texts = [model.decode(ids) for ids in made.ids]
        samples.append(Sample(made.name, hidden, made.answers, made.counts, texts, made.facts))
    facts = {"sha256": model.sha256, "head_relative_error": error, "spec": spec + suffix}
    decode = lambda i: model.decode([i])
    name = model.name + (f" {revision}" if revision else "")
    return Space(name, samples, model.unembedding, model.bias, decode, facts)


def _stored_space(found: states.States) -> Space:
    answers = None if found.next_token is None else found.next_token[:, None]
    sample = Sample(found.name, found.hidden, answers, found.counts, None, {"origin": found.name})
    names = found.tokens
    decode = lambda i: names[i] if names else f"#{i}"
    return Space(
        found.name, [sample], found.unembedding, found.bias, decode, {"sha256": found.sha256}
    )


def make_smoke(folder: pathlib.Path, sizes: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """A made-up model and texts: a model spec, and contexts by corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    path = tiny.write_llama(folder / "tiny.gguf")
    words = {}
    for seed, (name, n) in enumerate(sizes.items()):
        text = folder / f"{name}.txt"
        text.write_text("\n".join(tiny.sentences(40, seed=seed)))
        words[f"text:{text}"] = n
    return f"gguf:{path}", words


def frequencies_of(space: Space, config: ConfigDict) -> tuple[dict[str, np.ndarray], int]:
    """Token counts by corpus, those of training last; and how many training ids were left out."""
    found = {s.name: s.counts for s in space.samples if s.counts is not None}
    omitted = 0
    if config.training_counts:
        counts, omitted = corpora.read_counts(config.training_counts, len(space.unembedding))
        found["training"] = counts
    return found, omitted


def analyse(
    space: Space,
    found: Sequence[Neighbourhood],
    histograms: Sequence[Mapping[str, Any]],
    config: ConfigDict,
    say: Say,
) -> dict[str, Any]:
    """Every table of one model as plain values."""
    frequencies, omitted = frequencies_of(space, config)
    samples = {s.name: s for s in space.samples}
    scored = [f for f in found if f.comparison == "ct" and samples[f.corpus].answers is not None]
    shown = [f for f in found if f.corpus and samples[f.corpus].texts and f.distance == "dot"]
    return {
        "name": space.name,
        "k": config.k,
        **space.facts,
        "vocabulary": len(space.unembedding),
        "width": space.unembedding.shape[1],
        "training_ids_omitted": omitted,
        "samples": [
            {"name": s.name, "num_contexts": len(s.hidden), **s.facts} for s in space.samples
        ],
        "hubs": [analysis.hub_table(space, f, frequencies, config) for f in found],
        "accuracy": [analysis.accuracy(f, samples[f.corpus], config) for f in scored],
        "uniformity": analysis.uniformity(space),
        "distances": [
            {k: v for k, v in h.items() if k not in ("edges", "counts")} for h in histograms
        ],
        "mitigation": analysis.mitigation(space, config, say),
        "examples": [
            {
                "comparison": f.comparison,
                "distance": f.distance,
                "corpus": f.corpus,
                "hubs": analysis.examples(space, f, samples[f.corpus]),
            }
            for f in shown
        ],
    }


def histograms_of(space: Space, config: ConfigDict, say: Say) -> list[dict[str, Any]]:
    """Moments and histograms of every comparison under every distance."""
    found = []
    for comparison in tuple(config.comparisons):
        for distance in ("euclidean", "cosine", "probability"):
            for sample in [None] if comparison == "tt" else space.samples:
                say(f"{space.name}: {comparison} {distance} distances")
                found.append(
                    distances.summarise(
                        space, comparison, distance, sample, max_queries=config.max_queries
                    )
                )
    return found


def run(config: ConfigDict, workdir: pathlib.Path, *, say: Say = print) -> dict[str, Any]:
    """The whole experiment of `config`; returns what result.json holds."""
    claim_workdir(workdir, config.to_dict())
    models: list[dict[str, Any]] = []
    for revision in config.model.revisions.split(","):
        space = read_space(config, revision, workdir)
        found = search_all(
            space,
            config.comparisons,
            config.distances,
            k=config.k,
            with_self=config.self_included,
            say=say,
        )
        histograms = histograms_of(space, config, say)
        models.append(analyse(space, found, histograms, config, say))
    result = environment() | {"config": config.to_dict(), "models": models}
    write_json(workdir / "result.json", result)
    np.savez_compressed(workdir / "counts.npz", **{f.key: f.counts for f in found})
    hubs = [analysis.hub_mask(f.counts, config) for f in found]
    frequencies = frequencies_of(space, config)[0]
    drawn = report.make_figures(result, found, hubs, frequencies, histograms)
    report.write(result, drawn, workdir)
    say(f"report: {workdir / 'report.html'}")
    return result


def main(record: str | None) -> None:
    result = run(cli.config(), cli.workdir())
    if record:
        pathlib.Path(record).parent.mkdir(parents=True, exist_ok=True)
        write_json(pathlib.Path(record), result)


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
