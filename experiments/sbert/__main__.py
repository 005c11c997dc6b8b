"""Trains a sentence encoder on the STS benchmark; the same command again resumes.

python -m experiments.sbert --config=experiments/configs/sbert/sts.py:cos-none \
    --workdir=DIR --config.data.folder=DIR_WITH_STS [--config.model.folder=ENCODER]

The config's argument is <loss>-<normalisation>, or <loss>-<normalisation>:smoke for a run of
seconds on synthetic data. DIR receives config.json, manifest.json, metrics.jsonl, checkpoints/, the
best encoder on the development set in best/, result.json (STS and hubness before and after),
tables.md, figures/ and report.html.
"""

from experiments.runtime import study
from experiments.sbert.study import STUDY

if __name__ == "__main__":
    study.main(STUDY)
