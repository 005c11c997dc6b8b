"""Very small random models in the real file formats, for smoke runs and tests."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from experiments.models.sentence import huggingface
from experiments.models.sentence.bert import Encoder

WORDS = ("the", "a", "man", "woman", "cat", "dog", "child", "sits", "runs", "eats", "plays", "red")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def write_encoder(folder: pathlib.Path, *, seed: int = 0) -> pathlib.Path:
    """A one-layer BERT over `WORDS`: config.json, model.safetensors, tokenizer.json."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    vocab = {token: i for i, token in enumerate(SPECIAL + WORDS)}
    settings = {
        "model_type": "bert",
        "vocab_size": len(vocab),
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 32,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(settings))
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    family, config = huggingface.read_config(folder)
    token = jnp.zeros((1, 1), jnp.int32)
    params = Encoder(config).init(jax.random.key(seed), token, token)["params"]
    huggingface.write_params(folder, family, params)
    return folder


def sentences(n: int, *, seed: int = 0) -> list[str]:
    """Sentences of 2 to 9 random words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(2, 10))) for _ in range(n)]


def write_sts(folder: pathlib.Path, sizes: dict[str, int], *, seed: int = 0) -> pathlib.Path:
    """STS benchmark files of random pairs, scored 5 times the share of common words."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (split, n) in enumerate(sorted(sizes.items())):
        pairs = np.array(sentences(2 * n, seed=seed + number)).reshape(n, 2)
        lines = []
        for i, (first, second) in enumerate(pairs):
            a, b = set(first.split()), set(second.split())
            score = 5 * len(a & b) / len(a | b)
            lines.append(f"tiny\ttiny\t{split}\t{i:04d}\t{score:.3f}\t{first}\t{second}\n")
        (folder / f"stsbenchmark_{split}.csv").write_text("".join(lines))
    return folder


def write_llama(path: pathlib.Path, *, seed: int = 0, **changes) -> pathlib.Path:
    """A two-layer Llama with grouped queries as GGUF, its vocabulary ASCII and two merges.

    `changes` replace sizes or the `architecture`, add `extra` tensors by name and metadata of four
    types, and leave out the tokenizer's `pre` where it is empty.
    """
    import gguf

    architecture = changes.pop("architecture", "llama")
    extra, pre = changes.pop("extra", {}), changes.pop("pre", "smollm")
    metadata = {name: changes.pop(name, {}) for name in ("strings", "floats", "ids", "bools")}
    settings: dict[str, int] = {
        "heads": 4,
        "kv_heads": 2,
        "hidden": 16,
        "ffn": 24,
        "layers": 2,
    } | changes
    letters = [chr(c) for c in range(33, 127)] + ["Ġ", "Ċ", "he", "Ġt", "Ġthe"]
    tokens = ["<|end|>", *letters]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(settings["layers"])
    writer.add_context_length(64)
    writer.add_embedding_length(settings["hidden"])
    writer.add_feed_forward_length(settings["ffn"])
    writer.add_head_count(settings["heads"])
    writer.add_head_count_kv(settings["kv_heads"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    if pre:
        writer.add_tokenizer_pre(pre)
    adders = (writer.add_string, writer.add_float32, writer.add_uint32, writer.add_bool)
    for entries, add in zip(metadata.values(), adders, strict=True):
        for key, value in entries.items():
            add(key, value)
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * len(letters))
    writer.add_token_merges(["h e", "Ġt he"])
    for name, value in (llama_tensors(settings, len(tokens), seed) | extra).items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama_tensors(
    settings: dict[str, int], vocab_size: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Random tensors under their GGUF names, rows first."""
    rng = np.random.default_rng(seed)
    hidden, ffn = settings["hidden"], settings["ffn"]
    keys = hidden // settings["heads"] * settings["kv_heads"]
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (vocab_size, hidden)}
    for i in range(settings["layers"]):
        shapes |= {
            f"blk.{i}.attn_norm": (hidden,),
            f"blk.{i}.attn_q": (hidden, hidden),
            f"blk.{i}.attn_k": (keys, hidden),
            f"blk.{i}.attn_v": (keys, hidden),
            f"blk.{i}.attn_output": (hidden, hidden),
            f"blk.{i}.ffn_norm": (hidden,),
            f"blk.{i}.ffn_gate": (ffn, hidden),
            f"blk.{i}.ffn_up": (ffn, hidden),
            f"blk.{i}.ffn_down": (hidden, ffn),
        }
    shapes["output_norm"] = (hidden,)
    return {
        f"{name}.weight": rng.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
