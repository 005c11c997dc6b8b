"""Tables and the verdict of trained sentence encoders."""

import math
from collections.abc import Sequence

from experiments.reporting.markdown import Cell, Table, columns
from experiments.reporting.record import Record, source

SPACES = {
    "sts": ("STS test", "STS test sentences"),
    "ag_news": ("AG News", "AG News texts"),
}


def title(record: Record) -> str:
    objective = record["objective"]
    return f"Sentence encoder: {objective['loss']} loss, normalisation {objective['normalisation']}"


def meaning(record: Record) -> tuple[str, ...]:
    """What the figures are."""
    del record
    return (
        "ρ is Spearman's correlation of similarities with human scores on the STS test pairs. "
        "Robin Hood is the share of places in lists of ten neighbours that would have to change "
        "hands for all sentences to be listed equally often; skewness that of the number of such "
        "lists.",
    )


def tables(record: Record) -> list[Table]:
    """The run before and after training."""
    return [table([record])]


def table(records: Sequence[Record]) -> Table:
    """STS and hubness before and after training, one row a run."""
    spaces = [name for name in SPACES if f"hubness_{name}" in records[0]["after"]]
    rows: list[list[Cell]] = []
    for r in records:
        objective, before, after = r["objective"], r["before"], r["after"]
        steps = f"{r['config']['train']['num_steps']:,}"
        row: list[Cell] = [objective["loss"], objective["normalisation"], steps]
        row.append(_change(before["sts_test_spearman"], after["sts_test_spearman"], 4))
        for name in spaces:
            b, a = (side[f"hubness_{name}"] for side in (before, after))
            row.append(_change(b["skewness"], a["skewness"], 2))
            by_chance = f" ({a['robin_hood_null']:.3f})"
            row.append(_change(b["robin_hood"], a["robin_hood"], 3) + by_chance)
        rows.append(row)
    titles = ["loss", "normalisation", "steps", "STS test ρ"]
    for label, _ in (SPACES[name] for name in spaces):
        titles += [f"{label} skewness", f"{label} Robin Hood (by chance)"]
    made = source(records[0], "Command" if len(records) == 1 else "First command")
    return Table(columns(*titles), rows, "Before → after training", _caption(records[0]), made)


def _change(before: float, after: float, digits: int) -> str:
    return f"{before:.{digits}f} → {after:.{digits}f}"


def _caption(r: Record) -> str:
    sizes = [
        f"{r['after'][f'hubness_{name}']['num_texts']:,} {what}"
        for name, (_, what) in SPACES.items()
        if f"hubness_{name}" in r["after"]
    ]
    return (
        f"Before → after training of the {r['model']['name']} encoder with SHA-256 "
        f"{r['model']['sha256'][:12]}… on the STS benchmark, batch "
        f"{r['config']['train']['batch_size']}, best encoder on the development set; N_10 of "
        f"{' and '.join(sizes)}."
    )


def verdict(record: Record) -> str:
    """Whether training raised the correlation, and what became of hubness, in one run."""
    before, after = record["before"], record["after"]
    sides = [side["sts_test_spearman"] for side in (before, after)]
    pairs = record["data"]["test"]["pairs"]
    (before_low, before_high), (after_low, after_high) = (
        spearman_interval(rho, pairs) for rho in sides
    )
    judgement = "which could be chance"
    if after_low > before_high or after_high < before_low:
        judgement = "a certain rise" if sides[1] > sides[0] else "a certain fall"
    hub_b, hub_a = before["hubness_sts"], after["hubness_sts"]
    return (
        f"STS test ρ goes from {sides[0]:.4f} [{before_low:.4f}, {before_high:.4f}] to "
        f"{sides[1]:.4f} [{after_low:.4f}, {after_high:.4f}], {judgement} (95 % intervals over "
        f"test pairs), and Robin Hood of the test sentences from {hub_b['robin_hood']:.3f} to "
        f"{hub_a['robin_hood']:.3f} where chance gives {hub_a['robin_hood_null']:.3f}, in one run "
        "of one seed."
    )


def spearman_interval(rho: float, n: int) -> tuple[float, float]:
    """The 95 % interval of Spearman's ρ over n pairs.

    tanh(artanh ρ ± 1.96 √((1 + ρ²/2)/(n − 3))), Bonett and Wright 2000,
    https://doi.org/10.1007/BF02294183.
    """
    if n < 4 or abs(rho) >= 1:
        return -1.0, 1.0
    half = 1.959964 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
