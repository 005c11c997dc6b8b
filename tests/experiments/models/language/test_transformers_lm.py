"""Oracle: each family's own logits, through `check_head`. Needs torch and transformers."""

import importlib.util
import json

import numpy as np
import pytest

from experiments.models import tiny
from experiments.models.language import language_model, lm
from experiments.runtime.errors import UserError

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
}
GATED = SIZES | {"num_key_value_heads": 2, "intermediate_size": 24}
CONFIGS = {
    "GPTNeoX": SIZES | {"intermediate_size": 24},
    "Llama": GATED,
    "Mistral": GATED,
    "Olmo": GATED,
    # The hidden state is projected to the width of the embedding after the last layer.
    "OPT": SIZES | {"ffn_dim": 24, "word_embed_proj_dim": 8, "do_layer_norm_before": True},
    # Its head has a bias.
    "Phi": SIZES | {"intermediate_size": 24},
}


@pytest.fixture(scope="module")
def transformers():
    pytest.importorskip("torch", reason="needs torch")
    return pytest.importorskip("transformers", reason="needs transformers")


def save(transformers, folder, family, **changes):
    import torch

    tiny.write_encoder(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), bos_token="[CLS]"
    )
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**(CONFIGS[family] | changes))
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", CONFIGS)
def test_the_head_explains_the_logits(transformers, tmp_path, family):
    model = lm.load(f"hf:{save(transformers, tmp_path, family)}")
    ids = np.random.default_rng(0).integers(4, 16, (5, 7)).astype(np.int32)
    assert language_model.check_head(model, ids) < 1e-5
    # 16 tokens of the tokenizer: the 24 padding rows of the model are gone.
    assert model.unembedding.shape[0] == 16
    assert (model.bias is not None) == (family == "Phi")
    assert model.decode(model.tokenise(["the cat"])[0]) == "the cat"
    again = lm.load(f"hf:{tmp_path}")
    assert again.sha256 == model.sha256


def test_soft_capped_logits_are_refused(transformers, tmp_path):
    CONFIGS["Gemma2"] = GATED | {"head_dim": 4, "final_logit_softcapping": 5.0}
    model = lm.load(f"hf:{save(transformers, tmp_path, 'Gemma2')}")
    del CONFIGS["Gemma2"]
    with pytest.raises(UserError, match="soft-capped"):
        language_model.check_head(model, np.full((2, 5), 7, np.int32))


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_passes_the_check_of_the_head(transformers, tmp_path, family, dtype):
    model = lm.load(f"hf:{save(transformers, tmp_path, family)}", dtype=dtype)
    ids = np.random.default_rng(0).integers(4, 16, (5, 7)).astype(np.int32)
    assert language_model.check_head(model, ids) > 1e-5


def test_a_missing_head_is_refused_unless_it_is_tied(transformers, tmp_path):
    save(transformers, tmp_path, "Llama", tie_word_embeddings=True)
    ids = np.full((2, 5), 7, np.int32)
    assert language_model.check_head(lm.load(f"hf:{tmp_path}"), ids) < 1e-5
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(UserError, match="no tensor 'lm_head.weight'"):
        lm.load(f"hf:{tmp_path}")


def test_folders_without_a_model_are_one_clear_error(transformers, tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        lm.load(f"hf:{tmp_path}/nothing")
    with pytest.raises(UserError, match="Did you mean 'float16'"):
        lm.load(f"hf:{tmp_path}", dtype="float6")


def test_without_torch_the_error_says_what_to_do():
    if importlib.util.find_spec("torch"):
        pytest.skip("torch is installed")
    with pytest.raises(UserError, match="pip install torch transformers"):
        lm.load("hf:anything")
