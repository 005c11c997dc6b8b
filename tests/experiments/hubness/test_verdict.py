"""Oracles: synthetic figures whose right answer is plain; Python runs the code that is shown."""

import numpy as np
import pytest

from experiments.hubness import advice, verdict


def row(name, robin_hood, error=None, p=1.0):
    out = {"method": name, "robin_hood": robin_hood, "robin_hood_null": 0.125, "slowdown": 2.0}
    out |= {"skewness": 3.0, "skewness_null": 0.3, "antihub_rate": 0.05, "largest": 90}
    out |= {"seconds": 0.1, "hub_rate": 0.1, "hub_occurrence": 0.4}
    if error is None:
        return out
    return out | {"error": error, "p_value": p, "bad_rate": 0.2, "bad_by_hubs": 0.6}


def found(*tried, duplicates=0):
    out = {"methods": tried, "recommended": verdict.recommend(tried), "duplicates": duplicates}
    out |= {"hubs": [(1042, 90), (7, 60)], "num_rows": 2000, "width": 64}
    return out | {"metric": "cosine", "left_out": {}, "error_of_largest_class": 0.75}


def said_of(record):
    return [verdict.verdict(record), *verdict.meaning(record)]


def test_the_surest_cut_of_the_error_is_named_with_its_odds():
    """A larger cut that may be luck is passed over."""
    tried = [row("none", 0.5, 0.2), row("nicdm", 0.2, 0.15, 1e-9), row("csls", 0.2, 0.1, 0.2)]
    said = said_of(found(*tried))
    assert said[0].startswith("Strong hubness") and "1,042 (in 90), 7 (in 60)" in said[0]
    assert "40.0 % of all places and 60.0 % of the wrong ones" in said[1] and "75.0 %" in said[1]
    assert said[
        2
    ] == "Use nicdm: error 15.00 % (McNemar p 1.0e-09), Robin Hood 0.200, 2.0 times " + (
        "the search time."
    )


def test_hubs_without_a_cost_are_said_to_be_that():
    """What does sure harm is not offered, however fair."""
    tried = [row("none", 0.3, 0.2), row("nicdm", 0.2, 0.21, 0.6), row("csls", 0.13, 0.3, 1e-9)]
    said = said_of(found(*tried))
    assert said[0].startswith("Moderate hubness")
    assert said[2].startswith("No reduction lowers the error measurably. If hubs disturb")
    assert "use nicdm: Robin Hood 0.200" in said[2] and "at 21.00 % error" in said[2]


def test_without_labels_the_vectors_are_left_alone():
    tried = [row("none", 0.3), row("nicdm", 0.2), row("f-norm-inductive+nicdm", 0.15)]
    said = said_of(found(*tried, duplicates=3))
    assert "3 of the rows used are exact duplicates" in said[1]
    assert said[2].startswith("Use nicdm") and "f-norm-inductive+nicdm goes to 0.150" in said[2]
    assert "Without labels nobody knows" in said[2]


@pytest.mark.parametrize(
    "tried",
    [
        [row("none", 0.15, 0.2), row("nicdm", 0.13, 0.2)],
        [row("none", 0.15), row("nicdm", 0.13)],
        [row("none", 0.3), row("nicdm", 0.35)],
    ],
)
def test_a_space_without_hubs_or_help_is_left_as_it_is(tried):
    said = said_of(found(*tried))
    assert "eave the space as it is" in said[-1]


@pytest.mark.parametrize("name", advice.TRIED)
def test_the_code_shown_runs(x, name):
    scope = {"x": x}
    exec(verdict.IMPORT, scope)
    index = np.asarray(eval(verdict.code(name, "cosine"), scope).index)
    assert index.shape == (len(x), 10)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)


def test_the_text_has_a_row_a_method_and_says_what_columns_are():
    text = verdict.as_markdown(found(row("none", 0.3, 0.2), row("nicdm", 0.2, 0.2, 0.04)))
    assert text.startswith("2,000 rows, 64 dimensions, metric cosine")
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert lines[2].endswith("| 20.00 |  |") and "4.0e-02" in lines[3]
    assert "below 1.0e-02 counts as sure" in text
