"""What cosines between label representations tell: the paper's examples, and an audit of yours.

python -m experiments.label_cosine --config=experiments/configs/label_cosine/paper.py \
    --workdir=DIR [--config.matrix=FILE:NAME --config.bias=FILE:NAME]

FILE is .npz, .npy or .safetensors; rows of the matrix are labels. DIR receives config.json,
manifest.json, parts/, record.json, tables.md, figures/ and report.html.
"""

from experiments.label_cosine.study import STUDY
from experiments.runtime import study

if __name__ == "__main__":
    study.main(STUDY)
