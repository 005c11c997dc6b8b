"""The model of a config with its contexts, before hidden states are extracted."""

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.models import tiny
from experiments.models.language import contexts, language_model, lm, states
from experiments.prediction_hubs.config import Config, parse_corpora
from experiments.prediction_hubs.neighbourhoods import Sample, Space
from experiments.runtime import row_progress as progress
from experiments.runtime.files import digest_of
from experiments.runtime.settings import plain
from experiments.runtime.workspace import Workspace


class Live(NamedTuple):
    """A language model with contexts, before their hidden states are extracted.

    Attributes:
      revision: of the model, "" for its main one.
    """

    revision: str
    model: language_model.LanguageModel
    made: tuple[contexts.Contexts, ...]
    facts: Mapping[str, Any]

    @property
    def num_tokens(self) -> int:
        return len(self.model.unembedding)

    @property
    def corpora(self) -> dict[str, int]:
        return {made.name: len(made.ids) for made in self.made}

    def digests(self) -> dict[str, str]:
        """SHA-256 of the model and of the contexts of each corpus, by name."""
        found = {f"model {self.revision}".strip(): self.facts["sha256"]}
        return found | {f"contexts of {m.name}": digest_of(m.ids) for m in self.made}

    def space(self, config: Config, run: Workspace) -> Space:
        """Contexts and vocabulary; hidden states come from the run where they are there."""
        model, samples = self.model, []
        for made in self.made:
            store = run.at("states").at(self.revision or "main").at(made.name).store
            line = progress.line(f"{model.name} {made.name}")
            hidden = language_model.extract(
                model, made.ids, store, batch_size=config.batch_size, say=line
            )
            texts = [model.decode(ids) for ids in made.ids]
            samples.append(Sample(made.name, hidden, made.answers, made.counts, texts, made.facts))
        name = f"{model.name} {self.revision}".strip()
        decode = lambda i: model.decode([i])
        return Space(name, samples, model.unembedding, model.bias, decode, self.facts)


class Stored(NamedTuple):
    """A space of hidden states that were extracted elsewhere."""

    revision: str
    made: Space

    @property
    def num_tokens(self) -> int:
        return len(self.made.unembedding)

    @property
    def corpora(self) -> dict[str, int]:
        return {sample.name: len(sample.hidden) for sample in self.made.samples}

    def digests(self) -> dict[str, str]:
        """SHA-256 of the file."""
        return {f"model {self.revision}".strip(): self.made.facts["sha256"]}

    def space(self, config: Config, run: Workspace) -> Space:
        del config, run
        return self.made


Loaded = Live | Stored


def load(config: Config, revision: str) -> Loaded:
    """Model and contexts of a config. Raises `UserError` for what is missing or does not fit."""
    spec, corpora_of = config.model.spec, parse_corpora(config.corpora)
    if config.smoke:
        with tempfile.TemporaryDirectory() as folder:
            spec, corpora_of = make_smoke(pathlib.Path(folder), corpora_of)
            made = _load(config, spec, corpora_of, revision)
            return made._replace(facts={**made.facts, "spec": "smoke"})
    kind, value = lm.parse(spec)
    if kind in ("npz", "safetensors"):
        return Stored(revision, _stored(states.read(kind, value)))
    return _load(config, spec, corpora_of, revision)


def _load(config: Config, spec: str, corpora_of: Mapping[str, int], revision: str) -> Live:
    spec += f"@{revision}" if revision else ""
    model = lm.load(spec, dtype=config.model.dtype)
    made = tuple(
        contexts.make(word, model, n=n, seed=config.seed, **plain(config.window))
        for word, n in corpora_of.items()
    )
    ids = made[0].ids
    first = np.array([row for row in ids if len(row) == len(ids[0])][:16])
    error = language_model.check_head(model, first)
    facts = {"sha256": model.sha256, "head_relative_error": error, "spec": spec}
    return Live(revision, model, made, facts)


def _stored(found: states.States) -> Space:
    answers = None if found.next_token is None else found.next_token[:, None]
    sample = Sample(found.name, found.hidden, answers, found.counts, None, {"origin": found.name})
    names = found.tokens
    decode = lambda i: names[i] if names else f"#{i}"
    return Space(
        found.name, [sample], found.unembedding, found.bias, decode, {"sha256": found.sha256}
    )


def make_smoke(folder: pathlib.Path, sizes: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """A synthetic model and texts: a model spec, and contexts by corpus."""
    path = tiny.write_llama(folder / "tiny.gguf")
    words = {}
    for seed, (name, n) in enumerate(sizes.items()):
        text = folder / f"{name}.txt"
        text.write_text("\n".join(tiny.sentences(40, seed=seed)))
        words[f"text:{text}"] = n
    return f"gguf:{path}", words
