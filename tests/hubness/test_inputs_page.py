"""The page of what `hubness` accepts is that of the cases of test_inputs.

`python -m tests.hubness.test_inputs_page` writes it.
"""

import pathlib

import hubness
from hubness.search import pairwise
from tests.given import WIDTHS
from tests.hubness.test_inputs import BAD, CASES, REFUSED, ROWS
from tests.hubness.test_inputs_lists import (
    BAD_LISTS,
    COUNTS,
    IN_PARTS,
    LISTS,
    OF_COUNTS,
    SEARCHES,
    SQUARES_LEAVE,
    STORED,
)

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "inputs_hubness.md"
TITLE = "What `hubness` accepts"


def table() -> str:
    functions = [f"knn, {metric}" for metric in pairwise.METRICS]
    functions += [f"reduced_knn, {method}" for method in sorted(hubness.REDUCTIONS)]
    functions += [f"features.{name}" for name in ROWS]
    functions += ["tokens.top_tokens", "tokens.distance_moments", "tokens.distance_histogram"]
    assert set(REFUSED) <= set(functions)
    lines = [
        f"# {TITLE}",
        "",
        "Every function that takes rows is tried on 24 rows of 4 columns, given as each of: "
        f"{', '.join(CASES)}.",
        "",
        "It is right, against its definition in float64 NumPy on the values given, to 2e-5 of the "
        "largest value (neighbours of `knn`: 3e-6, and the very indices of float64), or refuses "
        f"in one sentence. All refuse {', '.join(BAD)}.",
        "",
        "| function, metric or method | refuses | because |",
        "|---|---|---|",
    ]
    for function in functions:
        names, why = REFUSED.get(function, ([], ""))
        why = {"no direction": "rows that are zero have no direction"}.get(why, why)
        why = why.replace("outside", "squares come out outside")
        lines.append(f"| `{function}` | {', '.join(names) or 'nothing'} | {why} |")
    in_parts = [name for name in CASES if name not in IN_PARTS]
    for function in SEARCHES:
        why = "a search in parts is one in float32, of what can be cut into rows"
        lines.append(f"| `{function}` | {', '.join(in_parts)} | {why} |")
    lines += ["", "## Lists, counts and stored distances", "", *others()]
    return "\n".join([*lines, "", "Written by `python -m tests.hubness.test_inputs_page`.", ""])


def others() -> list[str]:
    squares = sorted(case for _, case in SQUARES_LEAVE)
    return [
        f"Functions of neighbour lists, {_names(LISTS)}, are right to float32 for lists given as "
        f"each of: {', '.join(WIDTHS)}. They refuse lists of {', '.join(BAD_LISTS)} "
        "(`tokens.neighbour_hit` takes ids of any vocabulary).",
        "",
        f"Functions of counts or distances, {_names(OF_COUNTS)}, are right to 2e-6 for each of: "
        f"{', '.join(COUNTS)}; `tokens.probability_relative_variance` refuses "
        f"{', '.join(squares)}, whose squares leave the range of float32.",
        "",
        f"`reduce_graph` (csls, nicdm, mp_gauss) is right to 2e-5 for stored distances given as "
        f"each of: {', '.join(STORED)}.",
        "",
        "`significance.mcnemar` takes two vectors of booleans, `sampled.draw` and "
        "`significance.beta_interval` integers of any width.",
    ]


def _names(functions) -> str:
    return ", ".join(f"`{name}`" for name in functions)


def test_the_page_is_that_of_the_cases():
    assert PAGE.read_text() == table(), "run python -m tests.hubness.test_inputs_page"


if __name__ == "__main__":
    PAGE.write_text(table())
