"""Oracles: tables read back against the evaluations they came from."""

import json

import numpy as np
import pytest

from experiments.diffenc import compare, earlier, overrides, tables
from experiments.diffenc.evaluation import PerImage
from experiments.diffenc.suite import Job, read_contrasts
from experiments.reporting.markdown import render
from experiments.runtime.errors import UserError

LEVELS = {"vdmv": 5.0, "diffenc": 5.0, "diffenc:short": 0.0}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders as training and evaluation leave them: three models, three seeds."""
    folder, found = tmp_path_factory.mktemp("suite"), {}
    for order, (model, high) in enumerate(LEVELS.items()):
        for seed in range(3):
            rng = np.random.default_rng(seed)
            diffusion = 3 - 0.1 * order + 0.02 * seed * order + rng.normal(size=(30, 4, 2))
            images = PerImage(
                np.zeros((30, 4, 2)),
                diffusion,
                np.full(30, 1e-3 / (1 + order)),
                0.1 + 0 * diffusion,
            )
            workdir = folder / f"{model}-{seed}"
            workdir.mkdir()
            images.save(workdir / "eval_per_image.npz")
            data = {"name": "made up", "sha256": "0" * 64, "test_size": 30, "levels": 17}
            facts = {
                "eval": {
                    "step": 7,
                    "by_time": images.by_time(),
                    "summary": images.summary(),
                    "data": data,
                    "times_per_image": 8,
                },
                "manifest": {"parameters": 100 + order},
                "config": {"model": {"options": {"gamma_min": -13.3, "gamma_max": high}}},
            }
            for name, value in facts.items():
                (workdir / f"{name}.json").write_text(json.dumps(value))
            found[model, seed] = workdir
    return found


def cells(text):
    rows = [line.strip("|").split("|") for line in text.split("\n")]
    return [[cell.strip() for cell in row] for row in rows]


def test_tables_hold_what_was_evaluated(runs):
    summary = compare.summarise(runs)
    header, _, *rows = cells(render(tables.seed_table(summary)))
    assert len(rows) == 3 * (3 + 1) and header[0] == "model"
    values = [r["bits_per_dim"] for r in summary["rows"] if r["model"] == "diffenc"]
    mean = next(row for row in rows if row[0] == "**diffenc**")
    error = np.std(values, ddof=1) / np.sqrt(3)
    assert mean[2] == f"{np.mean(values):.4f} ± {error:.4f}"
    assert mean[5].startswith("0.000500")


def test_differences_are_those_of_the_columns(runs):
    summary = json.loads(json.dumps(compare.summarise(runs)))
    header, _, *rows = cells(render(tables.difference_table(summary)))
    assert [row[:2] for row in rows] == [
        [term, "diffenc − vdmv"] for term in ("total", "diffusion", "prior", "reconstruction")
    ]
    total = dict(zip(header, rows[0], strict=True))
    # Seeds add 0, 0.02 and 0.04 to −0.1; draws are shared; half of the prior goes.
    assert float(total["difference"]) == pytest.approx(-0.0805, abs=1e-4)
    assert float(total["± seeds"]) == pytest.approx(0.02 / np.sqrt(3), abs=1e-4)
    assert float(total["± MC"]) == 0
    assert float(total["paired p"]) < float(total["Welch p"])
    assert rows[3][-1] == "–"
    assert "Welch" in tables.difference_table(summary).caption


def test_an_unfinished_suite_pairs_the_seeds_that_both_models_have(runs):
    some = {key: folder for key, folder in runs.items() if key != ("diffenc", 2)}
    summary = compare.summarise(some)
    said = tables.caption(summary | {"unfinished": ["diffenc seed 2"]})
    assert said.endswith("Unfinished: 1 of 9 planned runs still to come.")
    assert "one standard error over 2 to 3 seeds." in said
    named = summary | {"contrasts": [["vdmv", "diffenc"]]}
    assert "in bits/dim over 2 seeds" in tables.difference_table(named).caption
    total = next(d for d in summary["differences"] if d["term"] == "bits_per_dim")
    values = {(r["model"], r["seed"]): r["bits_per_dim"] for r in summary["rows"]}
    pairs = [values["diffenc", seed] - values["vdmv", seed] for seed in (0, 1)]
    assert total["seeds"] == 2
    assert total["difference"] == pytest.approx(np.mean(pairs))
    alone = {key: folder for key, folder in runs.items() if key in [("vdmv", 0), ("diffenc", 1)]}
    assert compare.summarise(alone)["differences"] == []


def differences(summary, model):
    named = summary | {"contrasts": [["vdmv", model]]}
    return cells(render(tables.difference_table(named)))


def test_only_named_contrasts_are_shown(runs):
    summary = compare.summarise(runs)
    assert len(differences(summary, "diffenc")) == 6
    assert len(differences(summary, "nt")) == 2


@pytest.mark.parametrize("given", ["vdmv", "vdmv/vdmv", "vdmv/nt", "diffenc/vdmv/vdmv"])
def test_contrasts_are_pairs_of_the_models(given):
    assert read_contrasts("diffenc/vdmv", ["vdmv", "diffenc"]) == [("diffenc", "vdmv")]
    with pytest.raises(UserError, match="is not a pair"):
        read_contrasts(given, ["vdmv", "diffenc"])


def test_one_row_a_model_with_its_range_and_size(runs):
    summary = compare.summarise(runs)
    _, _, *rows = cells(render(tables.means_table(summary)))
    assert [row[:4] for row in rows] == [
        [model, f"[-13.3, {high:g}]", str(100 + i), "3"]
        for i, (model, high) in enumerate(LEVELS.items())
    ]
    single = dict(list(runs.items())[::3])
    assert cells(render(tables.means_table(compare.summarise(single))))[2][4].endswith("± –")


def test_the_verdict_claims_what_the_interval_allows(runs):
    """Half widths: t with 2 degrees of freedom over seeds, 1.96 over images, in quadrature."""
    summary = compare.summarise(runs)
    entry = next(e for e in summary["differences"] if e["term"] == "bits_per_dim")
    half = np.hypot(4.302653 * entry["paired_error"], 1.959964 * entry["image_error"])
    low, high = tables.interval(entry)
    assert (low, high) == pytest.approx((entry["difference"] - half, entry["difference"] + half))
    assert high < 0
    said = tables.verdict(summary)
    assert "over 3 seeds and the test images" in said and said.count("vdmv") == 1
    assert f"diffenc is better than vdmv (-0.0805 [{low:+.4f}, {high:+.4f}])" in said
    wide = entry | {"paired_error": 0.1}
    assert "no difference between diffenc and vdmv is established" in tables.verdict(
        summary | {"differences": [wide]}
    )


def test_one_seed_or_one_model_claims_nothing(runs):
    first = {key: runs[key] for key in [("vdmv", 0), ("diffenc", 0)]}
    said = tables.verdict(compare.summarise(first))
    assert "one seed each, so no interval" in said and "for this one pair of runs" in said
    said = tables.verdict(compare.summarise({("vdmv", 0): runs["vdmv", 0]}))
    assert "(one standard error over times and noise); nothing is compared" in said


def test_a_finished_run_is_known_by_its_arguments(tmp_path):
    job = Job("vdmv", 0, tmp_path)
    assert not job.is_finished(["--config=a"])
    job.finish(["--config=a"])
    assert job.is_finished(["--config=a"]) and not job.is_finished(["--config=b"])


def kept(runs, *gone):
    """The runs, with rows of an earlier summary in place of some folders."""
    rows = {(row["model"], row["seed"]): row for row in compare.summarise(runs)["rows"]}
    return {run: rows[run] if run in gone else folder for run, folder in runs.items()}


def test_rows_kept_of_an_earlier_summary_count_as_their_folders_did(runs):
    whole = compare.summarise(runs)
    part = compare.summarise(kept(runs, ("vdmv", 0), ("diffenc", 2)))
    assert part["rows"] == whole["rows"] and part["means"] == whole["means"]
    for now, then in zip(part["differences"], whole["differences"], strict=True):
        of_images = {"image_error", "mc_error", "pairs_with_images"}
        assert {k: v for k, v in now.items() if k not in of_images} == {
            k: v for k, v in then.items() if k not in of_images
        }
        assert (now["pairs_with_images"], then["pairs_with_images"]) == (1, 3)
    one_pair = {run: folder for run, folder in runs.items() if run[1] == 1}
    alone = compare.summarise(one_pair)["differences"][0]
    assert part["differences"][0]["image_error"] == alone["image_error"]


def test_no_interval_is_given_where_no_pair_of_folders_is_left(runs):
    summary = compare.summarise(kept(runs, *[("vdmv", seed) for seed in range(3)]))
    assert summary["differences"][0]["image_error"] is None
    assert tables.interval(summary["differences"][0]) == (None, None)
    assert "no error over images" in tables.verdict(summary)
    assert "–" in render(tables.difference_table(summary))


def test_rows_of_other_data_are_refused(runs):
    mixed = kept(runs, ("vdmv", 0))
    mixed["vdmv", 0] = mixed["vdmv", 0] | {"data": "1" * 64}
    with pytest.raises(UserError, match="other data .*give another --record"):
        compare.summarise(mixed)


ASKED = ["--config=digits.py", "--config.train.num_steps=5"]
MADE = (
    "python -m experiments.suite_diffenc --workdir=a --config digits.py --config.train.num_steps=5"
)


@pytest.mark.parametrize(
    "change, number",
    [
        ({}, 2),
        ({"unfinished": []}, 0),
        ({"environment": {"command": f"{MADE} --config.seed=3", "commit": "c"}}, 0),
        ({"environment": {"command": MADE.replace("digits", "swirl"), "commit": "c"}}, 0),
    ],
    ids=["the same", "finished", "other values", "other config"],
)
def test_an_unfinished_record_of_the_same_suite_is_continued(tmp_path, change, number):
    rows = [{"model": "vdmv", "seed": seed} for seed in range(3)]
    record = {
        "environment": {"command": MADE, "commit": "c"},
        "unfinished": ["vdmv seed 3"],
        "data": {"sha256": "0" * 64},
        "rows": rows,
    }
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record | change))
    found = earlier.rows(path, {("vdmv", 1), ("vdmv", 2), ("vdmv", 3)}, ASKED, overrides.asked)
    assert len(found) == number and all(key in rows_of(found) for key in found)
    for row in found.values():
        assert row["begun"] == {"commit": "c"} and row["data"] == "0" * 64


def rows_of(found):
    return {(row["model"], row["seed"]) for row in found.values()}


def test_without_a_record_nothing_is_kept(tmp_path):
    assert earlier.rows(tmp_path / "none.json", {("vdmv", 1)}, ASKED, overrides.asked) == {}
