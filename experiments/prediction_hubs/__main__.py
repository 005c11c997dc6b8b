"""Hubs of a language model's contexts and vocabulary, and whether they are frequent tokens.

python -m experiments.prediction_hubs --config=experiments/configs/prediction_hubs/smollm2.py \
    --workdir=DIR [--config.corpora=CORPUS=N,...] [--record=results/prediction_hubs/NAME.json]

DIR receives the hidden states (an interrupted extraction continues), neighbours/, record.json,
counts.npz, tables.md, figures/ and report.html. The config's argument "all:smoke" runs all of it in
seconds on a synthetic model. --config.model.spec=npz:FILE reads hidden states that were extracted
elsewhere.
"""

from experiments.prediction_hubs.study import STUDY
from experiments.runtime import study

if __name__ == "__main__":
    study.main(STUDY)
