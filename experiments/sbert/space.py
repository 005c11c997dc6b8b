"""The embedding space of an encoder that a run has trained, normalised as its objective does."""

import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import spaces
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of, read_json
from experiments.runtime.manifest import CONFIG
from experiments.runtime.store import Store
from experiments.runtime.study import RECORD
from experiments.sbert.objectives import NORMALISATIONS


def trained(run: str) -> spaces.Embedder:
    """Embeddings by the best encoder of a finished run of this study in the folder `run`.

    Raises:
      UserError: there is no such run.
    """
    folder = pathlib.Path(run)
    try:
        name = read_json(folder / CONFIG)["objective"]["normalisation"]
        normalise = jax.vmap(NORMALISATIONS[name])
        read_json(folder / RECORD)
    except (UserError, KeyError, TypeError) as error:
        raise UserError(
            f"space sbert:{run}: there is no finished run of experiments.sbert ({error}); give the "
            "--workdir of one"
        ) from error
    model = sentence.load(folder / "best")

    def embed(
        texts: Sequence[str], store: Store | None, say: spaces.Say
    ) -> Float[np.ndarray, "n d"]:
        rows = sentence.encode(model, texts, store=store, say=say)
        return np.asarray(normalise(jnp.asarray(rows)))

    return spaces.Embedder(embed, digest_of([model.sha256, name]))
