"""The recorded summary of a distillation run as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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


def table(summary: Mapping[str, Any]) -> str:
    """Every measure at the last epoch: mean over teachers [95 % interval over teachers].

    A least probability spans orders of magnitude, where neither says anything: its range.
    """
    objectives = summary["objectives"]
    lines = [
        "| at the last epoch | " + " | ".join(o.upper() for o in objectives) + " |",
        "|---|" + "---|" * len(objectives),
    ]
    measured = next(iter(objectives.values()))["final"]
    for name in [n for n in NAMES if n in measured]:
        cells = [_cell(name, o["final"][name]) for o in objectives.values()]
        lines.append(f"| {NAMES[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def claims(summary: Mapping[str, Any]) -> str:
    """Logit students less KL students at matched label accuracy, and whether the claim holds."""
    lines = ["| at matched label accuracy | difference [95 %] | claim | |", "|---|---|---|---|"]
    for objective, claim in summary["claims"].items():
        pair = f"{objective.upper()} − KL"
        if not claim["matched"]:
            lines.append(f"| {pair} | accuracies never within one point | | not tested |")
            continue
        kl_epoch, epoch = claim["epochs"]
        difference = _interval(claim["accuracy"]["difference"])
        epochs = f"epoch {epoch} against {kl_epoch}"
        own = claim["accuracy"].get("of_teachers")
        single = f"single teachers {_range(own)}" if own else ""
        lines.append(
            f"| {pair}, {epochs}: label accuracy | {difference} | within 0.01 | {single} |"
        )
        for name, direction in (("mcca", ">"), ("median_d_rep", "<"), ("concept_accuracy", ">")):
            if name in claim:
                held = _held(claim[name])
                difference = _interval(claim[name]["difference"])
                lines.append(f"| {pair}: {NAMES[name]} | {difference} | {direction} 0 | {held} |")
    return "\n".join(lines) + "\n"


def caption(summary: Mapping[str, Any]) -> str:
    """Data, seeds, teachers, bounds and command of the recorded run."""
    data, seeds, teachers = summary["data"], summary["seeds"], summary["teachers"]
    bounds = [b for o in summary["objectives"].values() for b in o["bounds"].values()]
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
    environment = summary["environment"]
    return (
        f"{'; '.join(facts)}. Bounds held at {held:,} of {of:,} checks along the runs. Command: "
        f"`{environment['command']}`, commit {environment['commit']}, "
        f"jax {environment['packages']['jax']}."
    )


def block(summary: Mapping[str, Any]) -> str:
    """Both tables and the caption, as a page shows them."""
    return f"{claims(summary)}\n{table(summary)}\n{caption(summary)}\n"


def _cell(name: str, final: Mapping[str, Any]) -> str:
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


def _interval(values: Sequence[float | None]) -> str:
    mean, low, high = values
    if low is None or high is None:
        return f"{mean:.4g}"
    return f"{mean:.4g} [{low:.4g}, {high:.4g}]"


def _range(values: Sequence[float]) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
