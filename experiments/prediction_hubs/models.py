"""The model of a config with its contexts, before hidden states are extracted."""

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.models import tiny
from experiments.models.language import contexts, language_model, lm, states
from experiments.prediction_hubs.config import parse_corpora
from experiments.prediction_hubs.neighbourhoods import Sample, Space
from experiments.runtime import row_progress as progress
from experiments.runtime.files import digest_of
from experiments.runtime.study import Config
from experiments.runtime.workspace import Workspace


class Loaded(NamedTuple):
    """A language model with contexts, or a space of hidden states extracted elsewhere.

    Attributes:
      revision: of the model, "" for its main one.
    """

    revision: str
    model: language_model.LanguageModel | None
    made: tuple[contexts.Contexts, ...]
    facts: Mapping[str, Any]
    stored: Space | None

    def digests(self) -> dict[str, str]:
        """SHA-256 of the model and of the contexts of each corpus, by name."""
        found = {f"model {self.revision}".strip(): self.facts["sha256"]}
        return found | {f"contexts of {m.name}": digest_of(m.ids) for m in self.made}

    def space(self, config: Config, run: Workspace) -> Space:
        """Contexts and vocabulary; hidden states come from the run where they are there."""
        if self.stored is not None:
            return self.stored
        model, samples = self.model, []
        for made in self.made:
            store = run.at("states").at(self.revision or "main").at(made.name).store
            line = progress.line(f"{model.name} {made.name}")
            hidden = language_model.extract(
                model, made.ids, store, batch_size=config["batch_size"], say=line
            )
            texts = [model.decode(ids) for ids in made.ids]
            samples.append(Sample(made.name, hidden, made.answers, made.counts, texts, made.facts))
        name = f"{model.name} {self.revision}".strip()
        decode = lambda i: model.decode([i])
        return Space(name, samples, model.unembedding, model.bias, decode, self.facts)


def load(config: Config, revision: str) -> Loaded:
    """Model and contexts of a config. Raises `UserError` for what is missing or does not fit."""
    spec, corpora_of = config["model"]["spec"], parse_corpora(config["corpora"])
    if config["smoke"]:
        with tempfile.TemporaryDirectory() as folder:
            spec, corpora_of = make_smoke(pathlib.Path(folder), corpora_of)
            made = _load(config, spec, corpora_of, revision)
            return made._replace(facts={**made.facts, "spec": "smoke"})
    kind, value = lm.parse(spec)
    if kind in ("npz", "safetensors"):
        found = states.read(kind, value)
        return Loaded(revision, None, (), {"sha256": found.sha256}, _stored(found))
    return _load(config, spec, corpora_of, revision)


def _load(config: Config, spec: str, corpora_of: Mapping[str, int], revision: str) -> Loaded:
    spec += f"@{revision}" if revision else ""
    model = lm.load(spec, dtype=config["model"]["dtype"])
    made = tuple(
        contexts.make(word, model, n=n, seed=config["seed"], **config["window"])
        for word, n in corpora_of.items()
    )
    ids = made[0].ids
    first = np.array([row for row in ids if len(row) == len(ids[0])][:16])
    error = language_model.check_head(model, first)
    facts = {"sha256": model.sha256, "head_relative_error": error, "spec": spec}
    return Loaded(revision, model, made, facts, None)


def _stored(found: states.States) -> Space:
    answers = None if found.next_token is None else found.next_token[:, None]
    sample = Sample(found.name, found.hidden, answers, found.counts, None, {"origin": found.name})
    names = found.tokens
    decode = lambda i: names[i] if names else f"#{i}"
    return Space(
        found.name, [sample], found.unembedding, found.bias, decode, {"sha256": found.sha256}
    )


def make_smoke(folder: pathlib.Path, sizes: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """A made-up model and texts: a model spec, and contexts by corpus."""
    path = tiny.write_llama(folder / "tiny.gguf")
    words = {}
    for seed, (name, n) in enumerate(sizes.items()):
        text = folder / f"{name}.txt"
        text.write_text("\n".join(tiny.sentences(40, seed=seed)))
        words[f"text:{text}"] = n
    return f"gguf:{path}", words
