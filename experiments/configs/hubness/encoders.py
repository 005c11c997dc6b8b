"""AG News under the encoders that experiments.sbert trains, and LSA: the paper's subject.

    python -m experiments.hubness --workdir=DIR --config.texts=ag_news:AG_NEWS_TEST.csv.gz \\
        --config=experiments/configs/hubness/encoders.py:cos-none

The argument is a loss and normalisation of configs/sbert/sts.py, whose run is looked for in
work/sbert/cos-none, or `lsa`; --config.space=sbert:RUN names a run elsewhere. Embeddings are
normalised as the run's objective does. Splits, methods and votes are those of ag_news.py.

Claimed for one encoder of high hubness (arXiv 2311.18364, abstract): f-norm with mutual proximity
cuts hubness by about 75 % and error by about 9 %. Encoders of high hubness here are those trained
without normalisation: skewness 9.7 (cos-none) and 3.6 (euclidean-none) among 1,000 texts, 1.4 with
c+n (results/sbert/). To encode takes 5 CPU minutes, the methods 25.
"""

from ml_collections import ConfigDict

from experiments.configs.sbert.sts import MODELS
from experiments.hubness.config import hubness_config
from experiments.runtime.cli import split_arg


def get_config(arg: str = "") -> ConfigDict:
    name, smoke = split_arg(arg, models=(*MODELS, "lsa"), default="cos-none")
    space = name if name == "lsa" else f"sbert:work/sbert/{name}"
    return hubness_config(f"{space}:smoke" if smoke else space)
