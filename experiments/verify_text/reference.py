"""Values of the PyTorch reference implementations; `experiments.verify_text` compares ours.

Runs in an environment of its own with torch, transformers, sentence-transformers, accelerate and
gguf, from the project's root. Nothing else of the project imports this module.

    python -m experiments.verify_text.reference sentence MODEL_FOLDER TEXTS.json OUT.npz
    python -m experiments.verify_text.reference causal FILE.gguf CASE.npz OUT.npz
    python -m experiments.verify_text.reference fixtures FOLDER
"""

# pyright: reportMissingImports=false
import json
import pathlib
import platform
import sys

import numpy as np

_TINY = {
    "vocab_size": 24,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 40,
    "hidden_act": "gelu",
}


def versions() -> dict[str, str]:
    """Versions of the reference packages."""
    from importlib.metadata import version

    names = ("torch", "transformers", "sentence-transformers", "tokenizers", "gguf", "numpy")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def sentence(folder: str, texts: str, out: str) -> None:
    """Embeddings of a JSON list of texts by sentence-transformers."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(folder, device="cpu")
    embedding = model.encode(json.loads(pathlib.Path(texts).read_text()), batch_size=64)
    np.savez(out, embedding=embedding, versions=json.dumps(versions()))


def causal(gguf_file: str, case: str, out: str) -> None:
    """Last hidden state, logits and tokenisation of a GGUF model by transformers.

    `case` holds `ids` (windows of equal length) and `texts` (a JSON list to tokenise).
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    path = pathlib.Path(gguf_file)
    given = np.load(case, allow_pickle=False)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    ).eval()
    with torch.no_grad():
        output = model(torch.tensor(given["ids"], dtype=torch.long), output_hidden_states=True)
    tokens = [tokenizer.encode(text) for text in json.loads(str(given["texts"]))]
    np.savez(
        out,
        # transformers' last entry is already past the final norm.
        hidden=output.hidden_states[-1][:, -1].numpy(),
        logits=output.logits[:, -1].numpy(),
        tokens=json.dumps(tokens),
        versions=json.dumps(versions()),
    )


def fixtures(folder: str) -> None:
    """Small random encoders of each family with their outputs, the oracles of test_bert.py."""
    import torch
    import transformers as t
    from safetensors.numpy import save_file

    specific = {
        "bert": t.BertConfig(**_TINY),
        "roberta": t.RobertaConfig(**_TINY, pad_token_id=1, type_vocab_size=1),
        # 34 tokens reach the logarithmic buckets of the relative positions.
        "mpnet": t.MPNetConfig(**_TINY, pad_token_id=1),
        "distilbert": t.DistilBertConfig(
            vocab_size=24, dim=8, n_layers=2, n_heads=2, hidden_dim=12, max_position_embeddings=40
        ),
    }
    rng = np.random.default_rng(0)
    lengths = (34, 21, 1)
    ids = rng.integers(2, _TINY["vocab_size"], (len(lengths), max(lengths)))
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    for family, config in specific.items():
        torch.manual_seed(0)
        model = t.AutoModel.from_config(config).eval()
        for parameter in model.parameters():
            # transformers' small initial values would hide a wrong order of operations.
            torch.nn.init.normal_(parameter, std=0.5)
        # Padding ids, from which RoBERTa and MPNet number the positions.
        given = np.where(mask == 1, ids, config.pad_token_id)
        with torch.no_grad():
            hidden = model(torch.tensor(given), attention_mask=torch.tensor(mask))[0].numpy()
        target = pathlib.Path(folder) / family
        target.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(target, safe_serialization=True)
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        save_file(
            {"ids": given.astype(np.int32), "mask": mask.astype(np.int32), "pooled": pooled},
            target / "expected.safetensors",
            metadata=versions(),
        )


if __name__ == "__main__":
    {"sentence": sentence, "causal": causal, "fixtures": fixtures}[sys.argv[1]](*sys.argv[2:])
