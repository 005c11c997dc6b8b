"""The verdict of synthetic pairs. Oracles: the closed form of the jackknife, counted claims."""

import itertools

import numpy as np
import pytest

from experiments.closeness import tables


def cell(labels, width, of_models, noise=0.0):
    """Pairs whose distances are sums of the models' own values."""
    pairs = np.array(list(itertools.combinations(range(len(of_models)), 2)))
    values = np.asarray(of_models)[pairs].sum(1) + noise
    found = {"first": pairs[:, 0], "second": pairs[:, 1], "d_llv": values, "d_fg": values / 10}
    pairs = {name: np.asarray(v, float).tolist() for name, v in found.items()}
    return {"labels": labels, "width": width, "pairs": pairs}


def test_the_jackknife_of_a_sum_is_twice_that_of_the_mean():
    values = np.random.default_rng(0).normal(size=9)
    pairs = cell(4, 16, values)["pairs"]
    mean, error, n = tables.jackknife(pairs["first"], pairs["second"], pairs["d_llv"])
    assert (mean, n) == (pytest.approx(2 * values.mean()), 9)
    assert error == pytest.approx(2 * values.std(ddof=1) / 3)


def test_a_fall_is_claimed_where_the_interval_excludes_none():
    r = np.random.default_rng(0)
    wide, narrow = 0.1 + 0.01 * r.normal(size=8), 0.3 + 0.01 * r.normal(size=8)
    said = tables.verdict({"cells": [cell(4, 128, wide), cell(4, 16, narrow)]})
    fall = f"falls from {2 * narrow.mean():.3g} to {2 * wide.mean():.3g}"
    assert said.startswith(f"With 4 labels, from width 16 to 128, d_LLV {fall}")
    noisy = 0.3 + 2 * r.normal(size=8)
    said = tables.verdict({"cells": [cell(4, 16, noisy), cell(6, 16, narrow), cell(4, 128, wide)]})
    assert said.count("could be chance") == 2 and "falls" not in said
    assert "with 6 labels there is one width, 16, with d_LLV" in said


def test_two_models_give_no_interval():
    cells = [cell(4, 16, [0.3, 0.4]), cell(4, 32, [0.1, 0.1])]
    assert tables.verdict({"cells": cells}).count("too few models for an interval") == 2
    empty = {"labels": 4, "width": 16, "pairs": {}}
    assert "too few models passed" in tables.verdict({"cells": [empty]})
