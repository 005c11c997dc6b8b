"""The table of the recorded verifications in results/text."""

import pathlib

from experiments.reporting.markdown import Table, columns
from experiments.runtime.records import read


def verification_table(folder: pathlib.Path) -> Table:
    """How far our models are from the PyTorch reference, from results/text."""
    minilm, smollm2 = (read(folder / f"{name}.json") for name in ("minilm", "smollm2"))
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
    source = f"Command: `{minilm['command']}`."
    return Table(columns("check", "figure"), rows, "Verification", f"Reference: {text}.", source)
