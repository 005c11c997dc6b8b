"""Distils teachers into students by KL or by logits, and measures what students keep of them.

python -m experiments.distill --config=experiments/configs/distill/spiral.py:all --workdir=DIR \
    [--record=FILE.json] [--config.teacher.num=3 …]

The config's argument is an objective (kl, l1, l2) or "all", and may end in ":smoke". DIR receives
config.json, manifest.json, teacher/ and one folder an objective with metrics and checkpoints,
record.json, tables.md, figures/ and report.html. The same command again resumes.
"""

from experiments.distill.study import STUDY
from experiments.runtime import study

if __name__ == "__main__":
    study.main(STUDY)
