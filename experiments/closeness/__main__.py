"""Trains classifiers that differ in their seeds, and measures how near they come to each other.

python -m experiments.closeness --config=experiments/configs/closeness/radial.py:all --workdir=DIR \
    [--record=FILE.json] [--config.train.num_seeds=5 …]

The config's argument may end in ":smoke". DIR receives config.json, manifest.json, one folder for
each number of labels and width (checkpoints, metrics.jsonl, models.npz, pairs.npz), record.json,
tables.md, figures/ and report.html. The same command again resumes.
"""

from experiments.closeness.study import STUDY
from experiments.runtime import study

if __name__ == "__main__":
    study.main(STUDY)
