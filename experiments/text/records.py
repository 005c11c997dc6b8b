"""Tables of the recorded text runs in results/text and results/sbert."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any


def sbert_table(folder: pathlib.Path) -> str:
    """STS and hubness before and after training, one row a run of results/sbert."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    header = ["loss", "normalisation", "steps", "STS test ρ"]
    spaces = [name for name in ("sts", "ag_news") if f"hubness_{name}" in results[0]["after"]]
    for name in spaces:
        label = {"sts": "STS test", "ag_news": "AG News"}[name]
        header += [f"{label} skewness", f"{label} Robin Hood (by chance)"]
    rows = []
    for r in results:
        objective, before, after = r["objective"], r["before"], r["after"]
        row = [
            objective["loss"],
            objective["normalisation"],
            f"{r['config']['train']['num_steps']:,}",
        ]
        row.append(_change(before["sts_test_spearman"], after["sts_test_spearman"], 4))
        for name in spaces:
            b, a = (side[f"hubness_{name}"] for side in (before, after))
            chance = f" ({a['robin_hood_null']:.3f})"
            row.append(_change(b["skewness"], a["skewness"], 2))
            row.append(_change(b["robin_hood"], a["robin_hood"], 3) + chance)
        rows.append(row)
    return _markdown(header, rows) + "\n" + _caption(results)


def _caption(results: Sequence[dict[str, Any]]) -> str:
    r = results[0]
    sizes = [
        f"{r['after'][f'hubness_{space}']['num_texts']:,} {what}"
        for space, what in (("sts", "STS test sentences"), ("ag_news", "AG News texts"))
        if f"hubness_{space}" in r["after"]
    ]
    return (
        f"Before → after training of the {r['model']['name']} encoder with SHA-256 "
        f"{r['model']['sha256'][:12]}… on the STS benchmark, batch "
        f"{r['config']['train']['batch_size']}, best encoder on the development set; N_10 of "
        f"{' and '.join(sizes)}. First command: `{r['command']}`, commit "
        f"{r['commit']}, jax {r['packages']['jax']}.\n"
    )


def verification_table(folder: pathlib.Path) -> str:
    """How far our models are from the PyTorch reference, from results/text."""
    minilm, smollm2 = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("minilm", "smollm2")
    )
    windows = smollm2["windows"]
    n = minilm["sts_test"]["pairs"]
    rows = [
        [f"all-MiniLM-L6-v2, {2 * n:,} sentences: largest difference of any value",
         f"{minilm['max_abs_difference']:.1e}"],
        [f"STS benchmark test ({n:,} pairs), Spearman: ours and reference",
         f"{minilm['sts_spearman']:.4f} and {minilm['sts_spearman_reference']:.4f}"],
        [f"SmolLM2-135M, {windows['n']} windows of {windows['length']} tokens: logits, relative",
         f"{smollm2['logits_relative_difference']:.1e}"],
        ["same: most probable token", f"{smollm2['argmax_agreement']:.0%} equal"],
        ["same: largest error of h·Wᵀ, relative to the largest logit",
         f"{smollm2['head_relative_error']:.1e}"],
    ]  # fmt: skip
    versions = smollm2["reference_versions"]
    text = ", ".join(
        f"{k} {versions[k]}" for k in ("torch", "transformers", "sentence-transformers")
    )
    caption = f"Reference: {text}. Command: `{minilm['command']}`.\n"
    return _markdown(["check", "figure"], rows) + "\n" + caption


def _change(before: float, after: float, digits: int) -> str:
    return f"{before:.{digits}f} → {after:.{digits}f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"
