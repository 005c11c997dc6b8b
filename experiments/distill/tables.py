"""Tables and the verdict of a distillation run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.distill.aggregate import CLAIMS
from experiments.distill.measures import DIRECTIONS
from experiments.reporting.markdown import Cell, Column, Table, Value, columns
from experiments.reporting.record import Record, direction, source

NAMES = {
    "accuracy": "label accuracy",
    "unseen_accuracy": "label accuracy on what students did not see",
    "macro_f1": "macro-F1",
    "nll": "NLL of the label, nats",
    "brier": "Brier score, one against rest",
    "classwise_ece": "calibration error, one against rest",
    "agreement": "agreement with the teacher",
    "pairwise_agreement": "label pairs in the teacher's order",
    "kendall_tau": "Kendall's τ with the teacher",
    "spearman_rho": "Spearman's ρ with the teacher",
    "ndcg": "NDCG by the teacher's probabilities",
    "kl": "KL(teacher‖student), nats",
    "min_probability": "least probability of either",
    "d_logit": "d_logit",
    "d_rep": "d_rep, all label sets",
    "median_d_rep": "d_rep, median over label sets",
    "mcca": "mean CCA of embeddings",
    "concept_accuracy": "concept probe: accuracy",
    "concept_macro_f1": "concept probe: macro-F1",
    "concept_nll": "concept probe: NLL, nats",
}
SHORT = {"mcca": "mean CCA", "median_d_rep": "median d_rep", "concept_accuracy": "concept accuracy"}


def title(record: Record) -> str:
    return f"Distillation on {record['data']['name']}"


def meaning(record: Record) -> tuple[str, ...]:
    """What is compared."""
    del record
    return (
        "Students learn a teacher's probabilities, either by the KL divergence or by the distance "
        "of logits (L1, L2). Compared are representations: mean CCA is 1 where a student's "
        "embedding is a linear image of its teacher's, d_rep is 0 there, and a concept probe reads "
        "linearly from an embedding what no student was taught.",
    )


def tables(record: Record) -> list[Table]:
    """Whether the paper's claims hold, and every measure at the last epoch."""
    return [claim_table(record), measure_table(record)]


def measure_table(record: Record) -> Table:
    """Every measure at the last epoch: mean over teachers [95 % interval over teachers].

    A least probability spans orders of magnitude, where neither says anything: its range.
    """
    objectives = record["objectives"]
    measured = next(iter(objectives.values()))["final"]
    rows = [
        [label, *(_final(name, o["final"][name]) for o in objectives.values())]
        for name, label in NAMES.items()
        if name in measured
    ]
    header = [Column("at the last epoch"), *(Column(o.upper(), format=".4g") for o in objectives)]
    return Table(header, rows, "All measures", caption(record), source(record))


def claim_table(record: Record) -> Table:
    """Logit students less KL students at matched label accuracy, and whether the claim holds."""
    rows: list[list[Cell]] = []
    for objective, claim in record["claims"].items():
        pair = f"{objective.upper()} − KL"
        if not claim["matched"]:
            rows.append([pair, "accuracies never within one point", "", "not tested"])
            continue
        kl_epoch, epoch = claim["epochs"]
        own = claim["accuracy"].get("of_teachers")
        single = f"single teachers {_range(own)}" if own else ""
        label = f"{pair}, epoch {epoch} against {kl_epoch}: label accuracy"
        rows.append([label, _interval(claim["accuracy"]["difference"]), "within 0.01", single])
        rows += [
            [
                f"{pair}: {NAMES[name]}",
                _interval(claim[name]["difference"]),
                f"{'<' if DIRECTIONS[name] == 'lower' else '>'} 0",
                _held(claim[name]),
            ]
            for name in CLAIMS
            if name in claim
        ]
    header = columns("at matched label accuracy", Column("difference [95 %]", format=".4g"))
    return Table([*header, *columns("claim", "")], rows, "Claims")


def caption(record: Record) -> str:
    """Data, seeds, teachers and bounds of the recorded run."""
    data, seeds, teachers = record["data"], record["seeds"], record["teachers"]
    bounds = [b for o in record["objectives"].values() for b in o["bounds"].values()]
    held, of = sum(b["held"] for b in bounds), sum(b["of"] for b in bounds)
    facts = [
        f"{data['name']} (SHA-256 {data['sha256'][:12]}…), {data['distilled_size']:,} examples "
        f"to distil on and {data['test_size']:,} to test on",
        f"{seeds['teachers']} teachers × {seeds['students_of_each']} students each",
        f"teachers' label accuracy {_range(teachers['accuracy'])}, rank of g̃ "
        f"{_range(teachers['rank_of_centred_unembeddings'])}",
    ]
    if "concept_accuracy" in teachers:
        facts.append(
            f"probe for {_names(data['concepts'])} (chance {1 / len(data['concepts']):.2g}) on the "
            f"teachers {_range(teachers['concept_accuracy'])}"
        )
    if "norm_of_B" in teachers:
        facts.append(f"‖B‖ {_range(teachers['norm_of_B'])}")
    return f"{'; '.join(facts)}. Bounds held at {held:,} of {of:,} checks along the runs."


def verdict(record: Record) -> str:
    """What logit students keep of their teachers that KL students do not, where it is certain."""
    if not record["claims"]:
        sentences = [_alone(o, found["final"]) for o, found in record["objectives"].items()]
        return f"{'; '.join(sentences)} (95 % intervals over teachers); nothing is compared."
    sentences = [_compared(o.upper(), claim) for o, claim in record["claims"].items()]
    errors = f"95 % intervals over {record['seeds']['teachers']} teachers"
    found = "; ".join(sentences)
    return f"Against KL students of label accuracy within one point, {found} ({errors})."


def _alone(objective: str, final: Mapping[str, Any]) -> str:
    text = Column("", format=".3g").text(_interval(final["accuracy"]["over_teachers"]))
    return f"{objective.upper()} students have label accuracy {text}"


def _compared(objective: str, claim: Mapping[str, Any]) -> str:
    if not claim["matched"]:
        return f"{objective} and KL students never had label accuracies within one point"
    words = {"higher": "higher", "lower": "lower", "uncertain": "no certain difference in"}
    found: dict[str, list[str]] = {word: [] for word in words.values()}
    for name in (n for n in CLAIMS if n in claim):
        interval = _interval(claim[name]["difference"])
        text = f"{SHORT[name]} ({Column('', format='+.3g').text(interval)})"
        found[words[direction(interval.low, interval.high)]].append(text)
    parts = [f"{word} {' and '.join(texts)}" for word, texts in found.items() if texts]
    return f"{objective} students have {', '.join(parts)}"


def _final(name: str, final: Mapping[str, Any]) -> Cell:
    if name == "min_probability":
        return _range(final["per_teacher"])
    return _interval(final["over_teachers"])


def _held(claim: Mapping[str, Any]) -> str:
    """Whether a claim holds, and at how many matched epochs where the record says so."""
    held = "holds" if claim["holds"] else "does not hold"
    if "holds_at" not in claim:
        return held
    count, of = claim["holds_at"]
    return f"{held}{'' if claim['holds'] else '; would'} at {count} of {of} matched epochs"


def _names(names: Sequence[str]) -> str:
    return f"{len(names)} concepts, {', '.join(names[:5])}" + (", …" if len(names) > 5 else "")


def _interval(values: Sequence[float | None]) -> Value:
    mean, low, high = values
    return Value(mean, low=low, high=high)


def _range(values: Sequence[float]) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
