"""The page's block from a summary made by hand."""

import json

from experiments.distill.tables import claim_table, measure_table, tables, verdict
from experiments.reporting.markdown import block, render

SUMMARY = {
    "objectives": {
        "kl": {
            "final": {"accuracy": {"over_teachers": [0.9, 0.89, 0.91]}},
            "bounds": {"kl_below_logit": {"held": 6, "of": 6}},
        },
        "l1": {
            "final": {"accuracy": {"over_teachers": [0.904, None, None]}},
            "bounds": {"kl_below_logit": {"held": 5, "of": 6}},
        },
    },
    "claims": {
        "l1": {
            "matched": True,
            "epochs": [30, 50],
            "accuracy": {"difference": [0.004, -0.001, 0.009], "of_teachers": [-0.02, 0.03]},
            "mcca": {"difference": [0.4, 0.3, 0.5], "holds": True, "holds_at": [4, 5]},
            "median_d_rep": {"difference": [-1.0, -3.0, 1.0], "holds": False},
        },
        "l2": {"matched": False},
    },
    "data": {"name": "toy", "sha256": "f" * 64, "distilled_size": 1200, "test_size": 300},
    "seeds": {"teachers": 2, "students_of_each": 3},
    "teachers": {"accuracy": [0.91, 0.93], "rank_of_centred_unembeddings": [5, 5]},
    "environment": {"command": "python -m x", "commit": "abc", "packages": {"jax": "0.10"}},
}


def test_table_shows_mean_and_interval_where_there_is_one():
    assert render(measure_table(SUMMARY)).splitlines()[2] == (
        "| label accuracy | 0.9 [0.89, 0.91] | 0.904 |"
    )


def test_claims_say_what_holds_at_which_epochs():
    lines = render(claim_table(SUMMARY)).splitlines()
    assert "epoch 50 against 30" in lines[2] and "0.004 [-0.001, 0.009]" in lines[2]
    assert lines[2].endswith("| within 0.01 | single teachers -0.02 to 0.03 |")
    assert lines[3].endswith("| > 0 | holds at 4 of 5 matched epochs |")
    assert lines[4].endswith("| < 0 | does not hold |")
    assert lines[5] == "| L2 − KL | accuracies never within one point |  | not tested |"


def test_rows_stand_in_the_order_of_their_names_whatever_that_of_the_record():
    final = {
        "mcca": {"over_teachers": [0.5, 0.4, 0.6]},
        "min_probability": {"over_teachers": [1e-9, -1e-8, 1e-8], "per_teacher": [1e-30, 3e-9]},
        "accuracy": {"over_teachers": [0.9, 0.89, 0.91]},
    }
    objectives = {"kl": {"final": final, "bounds": {}}}
    rows = render(measure_table(SUMMARY | {"objectives": objectives})).splitlines()[2:]
    assert rows == [
        "| label accuracy | 0.9 [0.89, 0.91] |",
        "| least probability of either | 1e-30 to 3e-09 |",
        "| mean CCA of embeddings | 0.5 [0.4, 0.6] |",
    ]


def test_caption_says_what_the_concept_is_and_its_chance():
    concepts = [f"arm {b}" for b in range(28)]
    summary = SUMMARY | {
        "data": SUMMARY["data"] | {"concepts": concepts},
        "teachers": SUMMARY["teachers"] | {"concept_accuracy": [0.65, 0.66]},
    }
    assert "probe for 28 concepts, arm 0, arm 1, arm 2, arm 3, arm 4, … (chance 0.036)" in block(
        tables(summary)
    )


def test_block_names_data_seeds_and_command_and_reads_a_stored_summary():
    text = block(tables(json.loads(json.dumps(SUMMARY))))
    for part in ("1,200 examples", "2 teachers × 3 students", "0.91 to 0.93", "rank of g̃ 5"):
        assert part in text
    assert "11 of 12 checks" in text and "`python -m x`, commit abc" in text


def test_the_verdict_claims_what_intervals_exclude():
    said = verdict(SUMMARY)
    assert "L1 students have higher mean CCA (+0.4 [+0.3, +0.5]), no certain difference in" in said
    assert "median d_rep (-1 [-3, +1]); L2 and KL students never had label accuracies" in said
    assert said.endswith("(95 % intervals over 2 teachers).")
    alone = verdict(SUMMARY | {"claims": {}})
    assert alone.startswith("KL students have label accuracy 0.9 [0.89, 0.91]; L1")
    assert alone.endswith("nothing is compared.")
