"""What records say to claims. Oracles: records made so that a claim holds, does not, or is open."""

import json

import pytest

from experiments import report
from experiments.evidence import claims, standing
from experiments.evidence import hub_readings as hubs
from experiments.evidence import readings as r
from tests.experiments.evidence.toy import ENTRY, Repository


def difference(value, term="bits_per_dim", seeds=5, image_error=0.0):
    entry = {"models": ["a", "b"], "term": term, "difference": value, "seeds": seeds}
    error = None if seeds == 1 else 0.001
    return {"differences": [entry | {"paired_error": error, "image_error": image_error}]}


def cells(narrow, wide):
    pairs = lambda d: {"first": [0, 0, 1], "second": [1, 2, 2], "d_llv": d, "d_fg": d}
    of = lambda width, d: {"labels": 4, "width": width, "dim": 2, "pairs": pairs(d)}
    return {"cells": [of(128, wide), of(16, narrow)], "perturbed": {}}


def taught(*differences):
    found = {"matched": True}
    claims = {
        f"l{i}": found | {"mcca": {"difference": d}} for i, d in enumerate(differences, start=1)
    }
    return {"claims": claims, "seeds": {"teachers": 3}}


def summary(mean, se):
    row = {"method": "m", "num_seeds": 3, "error_reduction": {"mean": mean, "se": se}}
    return {"summary": [row]}


def followed(*rhos):
    """Hubs of two corpora; each ρ with its interval, own corpus first."""
    of = lambda rho: dict(zip(("low", "rho", "high"), rho, strict=True))
    rows = [
        {"comparison": "ct", "distance": "dot", "corpus": corpus, "skewness": 50.0,
         "skewness_null": 1.0, "spearman": {corpus: of(own), other: of(theirs)}}
        for corpus, other, own, theirs in zip("xy", "yx", rhos[::2], rhos[1::2], strict=True)
    ]  # fmt: skip
    return {"models": [{"hubs": rows}]}


def priced(*gains):
    """Runs whose chosen levels cost 2, and equal ones so much more."""
    row = {"model": "m", "num_steps": 10, "chosen_best_variance_bits_per_dim": 2.0}
    rows = [row | {"seed": i, "equal_best_variance_bits_per_dim": 2 + g}
            for i, g in enumerate(gains)]  # fmt: skip
    return {"rows": rows}


FAR, NEAR, WIDE = (0.6, 0.7, 0.8), (0.1, 0.2, 0.3), (-0.1, 0.2, 0.5)
CASES = {  # reading, records for which it holds, does not, and is open
    "lower": (r.lower("b", "a"), difference(-0.01), difference(0.01), difference(-0.002)),
    "higher": (r.higher("b", "a", "prior"), difference(0.01, "prior"), difference(-0.01, "prior"),
               difference(0.01, "prior", image_error=0.1)),
    "one seed": (r.lower("b", "a"), difference(-0.01), difference(0.01), difference(-1, seeds=1)),
    "planned": (r.planned("b", "a"), difference(-0.01, image_error=0.1), difference(0.01),
                difference(-0.01, seeds=1)),
    "no gain": (r.no_gain("b", "a", 0.02), difference(-0.01), difference(-0.03),
                difference(0, image_error=0.1)),
    "steps": (r.chosen("m", 10), priced(0.2, 0.21, 0.22), priced(-0.2, -0.21, -0.22),
              priced(0.2)),
    "steps apart": (r.chosen("m", 10), priced(0.2, 0.21), priced(-0.2, -0.21), priced(-0.2, 0.3)),
    "width": (r.falls_with_width(4, "d_llv"), cells([0.9, 0.8, 0.85], [0.1, 0.12, 0.11]),
              cells([0.1, 0.12, 0.11], [0.9, 0.8, 0.85]), cells([0.1, 0.5, 0.9], [0.1, 0.4, 0.9])),
    "students": (r.students("mcca", "higher"), taught((0.5, 0.4, 0.6), (0.4, 0.3, 0.5)),
                 taught((-0.5, -0.6, -0.4), (-0.4, -0.5, -0.3)),
                 taught((0.5, 0.4, 0.6), (0.1, -0.1, 0.3))),
    "cut": (hubs.cut("m", "error"), summary(9, 1), summary(-9, 1), summary(9, 5)),
    "no cut": (hubs.no_cut("m", "error", 9), summary(1, 1), summary(20, 1), summary(3, 3)),
    "frequency": (hubs.follow_frequency("dot"), followed(FAR, NEAR, FAR, NEAR),
                  followed((-0.8, -0.7, -0.6), NEAR, (-0.3, -0.2, -0.1), NEAR),
                  followed(FAR, NEAR, WIDE, NEAR)),
    "unrelated": (hubs.unrelated_to_frequency("dot"),
                  followed((-0.8, -0.7, -0.6), NEAR, (-0.3, -0.2, -0.1), NEAR),
                  followed(FAR, NEAR, FAR, NEAR), followed(WIDE, NEAR, FAR, NEAR)),
    "own first": (hubs.own_corpus_first, followed(FAR, NEAR, FAR, NEAR),
                  followed(NEAR, FAR, FAR, NEAR), followed(NEAR, (0.2, 0.25, 0.4), FAR, NEAR)),
}  # fmt: skip


@pytest.mark.parametrize("reading, yes, no, between", CASES.values(), ids=CASES)
def test_a_verdict_follows_the_record(reading, yes, no, between):
    found = [reading(record) for record in (yes, no, between)]
    assert [one.holds for one in found] == [True, False, None]
    assert all(one.ours for one in found)


def test_an_interval_is_students_over_seeds():
    """t of 4 degrees of freedom is 2.776."""
    assert r.lower("b", "a")(difference(-0.01)).ours == "-0.0100 [-0.0128, -0.0072], 5 seeds"


def test_statements_that_are_counted_hold_only_of_all(root):
    bounded = r.bounded_by_llv(cells([0.1, 0.2, 0.3], [0.1, 0.1, 0.1]))
    assert bounded == ("6 of 6 pairs", True)
    loose = cells([0.1, 0.2, 0.3], [0.1, 0.1, 0.1])
    loose["cells"][0]["pairs"]["d_fg"] = [0.1, 0.1, 0.41]
    assert r.bounded_by_llv(loose) == ("5 of 6 pairs", False)
    cosines = json.loads((root / "results/label_cosine/paper.json").read_text())
    for read, (part, key, wrong) in {
        r.any_cosine: ("translations", "rows", [{"target": 0, "cosine": 0, "largest_change": 1}]),
        r.patterns_from("rows"): ("regions", "rows", [{"rows": 9, "of": 10}]),
        r.signs_not_ranks: ("signs_and_ranks", "equal_sign_patterns", False),
        r.lengths_matter: ("lengths", "argmaxes_of_2000", [[5, 5], [5, 1]]),
    }.items():
        assert read(cosines).holds
        assert read(cosines | {part: cosines[part] | {key: wrong}}).holds is False
    kl = {"kl": [1.0, 1e-5], "d_svd_f": [1.0, 0.5], "d_llv": [1.3]}
    assert r.kl_vanishes({"kl_table": kl}).holds is False


def test_a_cell_says_what_is_wrong_with_its_record(tmp_path):
    toy = Repository(tmp_path)
    claim = claims.Claim("b is less than a", "toy", "1", "toy/one", r.lower("b", "a"))
    assert claims.judged(claim, toy.root) == ("", "not run yet")
    toy.record(toy.first, **difference(-0.01))
    ours, verdict = claims.judged(claim, toy.root)
    assert verdict == "holds" and ours.endswith("5 seeds")
    toy.record(f"{toy.first}-dirty", unfinished=["a"], **difference(0.01))
    ours, verdict = claims.judged(claim, toy.root)
    assert verdict == "does not hold" and ours.endswith("5 seeds; dirty record; unfinished")
    toy.record(toy.first, unfinished=["b-seed0"], differences=[])  # of one model as yet
    assert claims.judged(claim, toy.root) == ("", "not run yet")
    untested = claims.Claim("a holds", "moon", "1", why="it is far")
    assert claims.judged(untested, toy.root) == ("", "not tested here: it is far")


def test_every_claim_has_a_known_record_or_a_reason():
    known = {entry.name for entry in standing.RECORDS}
    for _, told in claims.PAPERS.values():
        for claim in told:
            assert claim.record in known if claim.reading else claim.why, claim.claim


def test_a_check_refuses_records_that_do_not_stand(tmp_path, monkeypatch, capsys):
    toy = Repository(tmp_path)
    monkeypatch.setattr(report, "states", lambda root: standing.states(toy.root, [ENTRY]))
    monkeypatch.setattr(report, "pages", lambda: [])
    monkeypatch.setattr(report.cli, "has_workdir", lambda: False)
    checked = lambda: (report.main(check=True, json=False), capsys.readouterr().out)
    assert checked() == (0, "")  # one that is missing is not refused
    toy.record(toy.first)
    assert checked() == (0, "")
    toy.change("1 / 3", "1 / 4")
    assert checked() == (1, f"stale: toy/one: changed since {toy.first}: library/numbers.py\n")
    toy.record(f"{toy.first}-dirty")
    code, said = checked()
    assert code == 1 and said.startswith("dirty: toy/one: made by uncommitted changes on")
    assert report.main(check=False, json=False) == 0
