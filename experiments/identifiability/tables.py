"""Tables of a closeness run, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.identifiability.networks import steps_per_epoch

# arXiv:2506.03784's released models, seeds 0 to 4, every pair whatever its accuracy: mean and
# standard deviation of d_LLV and of d_{f,g}, measured with the authors' code.
PUBLISHED = {
    (4, 16): (0.458, 0.081, 0.103, 0.045),
    (4, 32): (0.443, 0.149, 0.076, 0.031),
    (4, 64): (0.252, 0.065, 0.031, 0.017),
    (4, 128): (0.172, 0.077, 0.014, 0.011),
    (6, 16): (0.558, 0.199, 0.129, 0.105),
    (6, 32): (0.823, 0.208, 0.324, 0.135),
    (6, 64): (0.714, 0.222, 0.326, 0.163),
    (6, 128): (0.124, 0.026, 0.0054, 0.0021),
}


def tables(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tables of a run with their titles."""
    return [
        ("Distances between seeds", width_table(record["cells"])),
        ("A KL that vanishes", kl_rows(record["kl_table"])),
    ]


def width_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """d_LLV and d_{f,g} against width, beside the published models."""
    lines = [
        "| labels | width | kept | accuracy | d_LLV | d_{f,g} | mean CCA of f | "
        "published d_LLV | published d_{f,g} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        accuracy = np.asarray(cell["accuracy"])
        kept = f"{len(cell['kept'])}/{len(accuracy)}"
        ours = [_spread(cell["pairs"].get(n)) for n in ("d_llv", "d_fg", "mcca_f")]
        known = PUBLISHED.get((cell["labels"], cell["width"]))
        theirs = (f"{known[0]} ± {known[1]}", f"{known[2]} ± {known[3]}") if known else ("", "")
        row = (cell["labels"], cell["width"], kept, f"{accuracy.mean():.3f}", *ours, *theirs)
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def kl_rows(table: Mapping[str, Sequence[float]]) -> str:
    """Table 1: KL tends to 0, the rest does not move."""
    lines = ["| ρ | KL | d_LLV | mean CCA of f | max d_SVD of f | d_SVD of g | d_logit |"]
    lines.append("|---|---|---|---|---|---|---|")
    names = ("kl", "d_llv", "mcca_f", "d_svd_f", "d_svd_g", "d_logit")
    for i, rho in enumerate(table["rho"]):
        values = " | ".join(f"{table[name][i]:.4g}" for name in names)
        lines.append(f"| {rho:.0f} | {values} |")
    return "\n".join(lines)


def _spread(values: Sequence[float] | None) -> str:
    if not values:
        return "too few models"
    return f"{np.mean(values):.3g} ± {np.std(values, ddof=1):.2g}"


def caption(summary: Mapping[str, Any]) -> str:
    """Data, training, seeds, command."""
    config, environment = summary["config"], summary["environment"]
    train, data = config["train"], summary["data"][0]
    an_epoch = steps_per_epoch(config["data"]["num_train"], train["batch_size"])
    steps = -(-train["num_steps"] // an_epoch) * an_epoch
    return (
        f"{data['name']} data ({config['data']['num_train']:,} to train and "
        f"{config['data']['num_test']:,} to test on), {train['num_seeds']} seeds, {steps:,} steps, "
        f"batch {train['batch_size']}, Adam "
        f"{train['learning_rate']}. Mean ± standard deviation over pairs of seeds with "
        f"test accuracy above {config['eval']['min_accuracy']}; d_LLV over "
        f"{config['eval']['num_sets']} input sets. Command: `{environment['command']}`, commit "
        f"{environment['commit']}, jax {environment['packages']['jax']}."
    )
