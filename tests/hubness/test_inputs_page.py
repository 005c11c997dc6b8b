"""The page of what `hubness` accepts is that of the cases of test_inputs.

`python -m tests.hubness.test_inputs_page` writes it.
"""

import pathlib

import hubness
from hubness.search import pairwise
from tests.hubness.test_inputs import BAD, CASES, REFUSED, ROWS

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
        f"in one sentence. All refuse {', '.join(BAD)}. Statistics of neighbour counts and of "
        "indices are tried over integers of every width.",
        "",
        "| function, metric or method | refuses | because |",
        "|---|---|---|",
    ]
    for function in functions:
        names, why = REFUSED.get(function, ([], ""))
        why = {"no direction": "rows that are zero have no direction"}.get(why, why)
        why = why.replace("outside", "squares come out outside")
        lines.append(f"| `{function}` | {', '.join(names) or 'nothing'} | {why} |")
    return "\n".join([*lines, "", "Written by `python -m tests.hubness.test_inputs_page`.", ""])


def test_the_page_is_that_of_the_cases():
    assert PAGE.read_text() == table(), "run python -m tests.hubness.test_inputs_page"


if __name__ == "__main__":
    PAGE.write_text(table())
