"""What a record says to a claim: a figure with its interval, and whether the claim holds."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.closeness.tables import jackknife
from experiments.diffenc.step_record import gain
from experiments.diffenc.tables import interval
from experiments.reporting.record import Record, direction

LEVEL = 0.975  # two-sided intervals of 95 %


class Finding(NamedTuple):
    """What a record says to a claim.

    Attributes:
      ours: the figures, with intervals where there are any.
      holds: None where they leave it open.
    """

    ours: str
    holds: bool | None


Reading = Callable[[Record], Finding]


def lower(second: str, first: str, term: str = "bits_per_dim") -> Reading:
    """That a diffusion model has less of a term of the bound than another."""
    return lambda record: _compared(record, second, first, term, "lower")


def higher(second: str, first: str, term: str = "bits_per_dim") -> Reading:
    """That a diffusion model has more of a term than another."""
    return lambda record: _compared(record, second, first, term, "higher")


def no_gain(second: str, first: str, most: float) -> Reading:
    """That a diffusion model is not better in total than another by `most` or more."""

    def read(record: Record) -> Finding:
        entry = _difference(record, second, first, "bits_per_dim")
        low, high = interval(entry)
        none = low is not None and low > -most
        return Finding(_told(entry, low, high), none or (False if high and high < 0 else None))

    return read


def planned(second: str, first: str) -> Reading:
    """That a model is better in total, by the test planned before the runs: paired over seeds."""

    def read(record: Record) -> Finding:
        entry = _difference(record, second, first, "bits_per_dim")
        over_both = interval(entry)
        low, high = interval({**entry, "image_error": 0.0})
        text = _told(entry, low, high)
        if low is None or high is None:
            return Finding(text, None)
        both = ", ".join(f"{end:+.4f}" for end in over_both)
        return Finding(f"{text}; over images too [{both}]", side("lower", low, high))

    return read


def chosen(model: str, num_steps: int) -> Reading:
    """That levels chosen afterwards are better than equal ones, both with their best variances."""

    def read(record: Record) -> Finding:
        found = gain(record, model, num_steps)
        if found.low is None or found.high is None:
            return Finding(f"{found.mean:+.4f}, one seed", None)
        seeds = len({row["seed"] for row in record["rows"] if row["model"] == model})
        text = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}], {seeds} seeds"
        return Finding(text, side("lower", found.low, found.high))

    return read


def _compared(record: Record, second: str, first: str, term: str, way: str) -> Finding:
    entry = _difference(record, second, first, term)
    low, high = interval(entry)
    known = None if low is None or high is None else side(way, low, high)
    return Finding(_told(entry, low, high), known)


class UnfinishedError(LookupError):
    """A record does not have the runs yet that a claim is about."""


def _difference(record: Record, second: str, first: str, term: str) -> Record:
    for entry in record["differences"]:
        if entry["term"] == term and entry["models"] == [first, second]:
            return entry
    raise UnfinishedError(f"{second} and {first} have no pair of runs yet")


def _told(entry: Record, low: float | None, high: float | None) -> str:
    """A difference in bits/dim with its interval and the number of seeds."""
    form = "+.6f" if entry["term"] == "prior" else "+.4f"
    if low is None or high is None:
        return f"{entry['difference']:{form}}, one seed"
    return f"{entry['difference']:{form}} [{low:{form}}, {high:{form}}], {entry['seeds']} seeds"


def side(way: str, low: float, high: float) -> bool | None:
    """Whether an interval lies on the side of 0 that `way` names; None where 0 is in it."""
    side = direction(low, high)
    return None if side == "uncertain" else side == way


def falls_with_width(labels: int, measure: str) -> Reading:
    """That the mean of a distance over pairs of classifiers is less for the widest."""

    def read(record: Record) -> Finding:
        cells = [c for c in record["cells"] if c["labels"] == labels and c["pairs"]]
        narrow, *_, wide = sorted(cells, key=lambda cell: cell["width"])
        (start, s0, n0), (end, s1, n1) = (
            jackknife(c["pairs"]["first"], c["pairs"]["second"], c["pairs"][measure])
            for c in (narrow, wide)
        )
        half = float(stats.t.ppf(LEVEL, min(n0, n1) - 1) * np.hypot(s0, s1))
        low, high = end - start - half, end - start + half
        text = f"{start:.3g} → {end:.3g}, change [{low:+.2g}, {high:+.2g}] over seeds"
        return Finding(text, side("lower", low, high))

    return read


def bounded_by_llv(record: Record) -> Finding:
    """That d_{f,g} ≤ 2m d_LLV for every pair, trained or perturbed."""
    pairs = [(c["dim"], c["pairs"]) for c in record["cells"] if c["pairs"]]
    pairs += [(2, found) for found in record["perturbed"].values()]
    held = [np.asarray(p["d_fg"]) <= 2 * m * np.asarray(p["d_llv"]) for m, p in pairs]
    return all_of(int(sum(h.sum() for h in held)), sum(map(len, held)), "pairs")


def kl_vanishes(record: Record) -> Finding:
    """That KL falls below 1e-4 while d_SVD of f stays above .99."""
    found = record["kl_table"]
    last, least = found["kl"][-1], min(found["d_svd_f"])
    text = f"KL {max(found['kl']):.3g} → {last:.2g}; d_LLV {found['d_llv'][-1]:.4g}, "
    return Finding(text + f"max d_SVD of f at least {least:.3f}", last < 1e-4 and least > 0.99)


def students(measure: str, way: str) -> Reading:
    """That L1 and L2 students of equal label accuracy have more or less of a measure than KL's."""

    def read(record: Record) -> Finding:
        told, verdicts = [], []
        for name, claim in record["claims"].items():
            if not claim["matched"]:
                told.append(f"{name.upper()}: accuracies never equal")
                verdicts.append(None)
                continue
            mean, low, high = claim[measure]["difference"]
            told.append(f"{name.upper()} {mean:+.3g} [{low:+.3g}, {high:+.3g}]")
            verdicts.append(side(way, low, high))
        teachers = record["seeds"]["teachers"]
        return Finding(f"{'; '.join(told)}, {teachers} teachers", together(verdicts))

    return read


def bounds_hold(record: Record) -> Finding:
    """That every bound of the paper held wherever a run checked it."""
    bounds = [b for o in record["objectives"].values() for b in o["bounds"].values()]
    return all_of(sum(b["held"] for b in bounds), sum(b["of"] for b in bounds), "checks")


def any_cosine(record: Record) -> Finding:
    """That a translation gives each asked cosine and changes no probability beyond rounding."""
    rows = record["translations"]["rows"]
    change = max(row["largest_change"] for row in rows)
    missed = max(abs(row["cosine"] - row["target"]) for row in rows)
    cosines = f"cosines {rows[0]['target']:g} to {rows[-1]['target']:g}"
    return Finding(f"{cosines}, probabilities within {change:.0e}", max(change, missed) < 1e-5)


def misleading(case: str) -> Reading:
    """That labels of a negative cosine compete while labels of a larger one never do."""

    def read(record: Record) -> Finding:
        found = record["competing"][case]
        never = found["greatest_cosine_of_a_pair_never_top"][-1]
        top = found["least_cosine_of_a_top_pair"][-1]
        return Finding(f"{top:+.3f} compete, {never:+.3f} never do", top < 0 < never)

    return read


def patterns_from(way: str) -> Reading:
    """That sign patterns follow from the cosines of rows, or of their differences."""

    def read(record: Record) -> Finding:
        rows = record["regions"]["rows"]
        return all_of(sum(r[way] for r in rows), sum(r["of"] for r in rows), "matrices")

    return read


def signs_not_ranks(record: Record) -> Finding:
    """That equal sign patterns have different rankings."""
    found = record["signs_and_ranks"]
    flipped = f"{len(found['flipped_minors'])} of {found['braid_minors']} minors"
    apart = bool(found["only_first"] and found["only_second"])
    return Finding(f"{flipped} differ in sign", apart and found["equal_sign_patterns"])


def lengths_matter(record: Record) -> Finding:
    """That a row made shorter, its cosines unchanged, is never the most probable any more."""
    lost = [b for b, a in zip(*record["lengths"]["argmaxes_of_2000"], strict=True) if b > a == 0]
    gap = record["lengths"]["largest_gap_of_cosines"]
    return Finding(f"{sum(lost)} → 0 of 2,000", bool(lost) and gap < 1e-6)


def all_of(held: int, of: int, what: str) -> Finding:
    return Finding(f"{held:,} of {of:,} {what}", held == of)


def together(verdicts: Sequence[bool | None]) -> bool | None:
    """One verdict of several that must all be the same."""
    return verdicts[0] if len(set(verdicts)) == 1 else None
