"""Any causal language model of Hugging Face transformers (an optional extra, with torch)."""

import hashlib
import pathlib

import numpy as np
from jaxtyping import Float, Int

from experiments.models.language.language_model import LanguageModel
from experiments.runtime.errors import UserError, nearest

_DTYPES = ("bfloat16", "float16", "float32")


def load(value: str, *, dtype: str = "float32") -> LanguageModel:
    """The model of FOLDER_OR_NAME[@REVISION], on a GPU where torch has one.

    `last_hidden` is the base model's last state, past the final norm; the unembedding is cropped
    to the tokenizer's length and carries its bias.

    Raises:
      UserError: where transformers is not installed, the model or revision is not available, a
        tensor of it is missing, or it has no fast tokenizer.
    """
    name, _, revision = value.partition("@")
    if dtype not in _DTYPES:
        raise nearest(dtype, _DTYPES, "dtype")
    try:
        import torch  # pyright: ignore[reportMissingImports]
        import transformers  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            f"hf:{value} needs torch and transformers ({error}): pip install torch transformers, "
            "or give gguf:FILE or npz:FILE"
        ) from error
    where = {"revision": revision} if revision else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **where)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            name, dtype=getattr(torch, dtype), output_loading_info=True, **where
        )
    except (OSError, ValueError) as error:
        raise UserError(f"hf:{value} cannot be loaded: {error}") from error
    # Tied tensors are not missing; others would be drawn at random.
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise UserError(
            f"hf:{value} has no tensor {missing[0]!r} ({len(missing)} missing), and its "
            "config.json ties it to no other: the folder is incomplete or of another architecture"
        )
    if not tokenizer.is_fast:
        raise UserError(f"hf:{value} has no fast tokenizer (tokenizer.json)")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _wrap(value, model.to(device).eval(), tokenizer)


def _wrap(value: str, model, tokenizer) -> LanguageModel:
    import torch  # pyright: ignore[reportMissingImports]

    # The device is read where it is used, so that a model moved later still works.
    def run(module, ids: Int[np.ndarray, "b l"]):
        with torch.inference_mode():
            return module(torch.from_numpy(np.array(ids, np.int64)).to(model.device))

    def last_hidden(ids: Int[np.ndarray, "b l"]) -> Float[np.ndarray, "b d"]:
        return _numpy(run(model.base_model, ids).last_hidden_state[:, -1])

    def logits(ids: Int[np.ndarray, "b l"]) -> Float[np.ndarray, "b v"]:
        return _numpy(run(model, ids).logits[:, -1])

    head, size = model.get_output_embeddings(), len(tokenizer)
    if head is None or not hasattr(head, "weight"):
        raise UserError(f"hf:{value} has no output embedding: it is no causal language model")
    bias, bos = getattr(head, "bias", None), tokenizer.bos_token_id
    return LanguageModel(
        name=pathlib.PurePath(value).name,
        sha256=_identity(value, model),
        tokenizer=tokenizer.backend_tokenizer,
        unembedding=_numpy(head.weight[:size]),
        bias=None if bias is None else _numpy(bias[:size]),
        last_hidden=last_hidden,
        logits=logits,
        bos=bos if bos is not None and tokenizer("a").input_ids[:1] == [bos] else None,
        context_length=getattr(model.config, "max_position_embeddings", 1 << 20),
        resolution=torch.finfo(head.weight.dtype).eps,
    )


def _numpy(tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def _identity(value: str, model) -> str:
    """SHA-256 over the name, the commit where known, and a few values of every weight."""
    digest = hashlib.sha256(f"{value} {getattr(model.config, '_commit_hash', None)}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().reshape(-1)
        sample = flat[:: max(1, len(flat) // 64)].float().cpu().numpy()
        digest.update(f"{name}{tuple(tensor.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()
