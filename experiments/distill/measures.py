"""What is measured of a student beside its teacher, on test data and in double precision."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import distill
import similarity
from experiments.distill.task import Task, probe_halves

_ROWS_TOGETHER = 512

# Names in the order of the report; "higher" is the better direction, None where there is none.
DIRECTIONS: dict[str, str | None] = {
    "accuracy": "higher",
    "unseen_accuracy": "higher",
    "macro_f1": "higher",
    "nll": "lower",
    "brier": "lower",
    "classwise_ece": "lower",
    "agreement": "higher",
    "pairwise_agreement": "higher",
    "kendall_tau": "higher",
    "spearman_rho": "higher",
    "ndcg": "higher",
    "kl": "lower",
    "min_probability": None,
    "d_logit": "lower",
    "d_rep": "lower",
    "median_d_rep": "lower",
    "mcca": "higher",
    "concept_accuracy": "higher",
    "concept_macro_f1": "higher",
    "concept_nll": "lower",
}
# Least slack of each bound over inputs, and whether it holds for all of them.
BOUNDS = (
    "kl_below_logit",
    "logit_below_kl",
    "d_rep_below_logit",
    "cca_below_residual",
    "residual_below_logit",
    "mcca_above_logit",
    "concept_kl",
)


class Models(NamedTuple):
    """Embeddings of test inputs and unembeddings, models on the leading axis.

    `concept_head` is None for models without a second head.
    """

    f: np.ndarray
    g: np.ndarray
    concept_head: np.ndarray | None = None


def models_of(outputs: tuple[np.ndarray, ...], variables: Any) -> Models:
    """`Models` from a population's outputs on test inputs and its variables."""
    params = variables["params"]
    head = params.get("concept_unembedding")
    return Models(
        np.asarray(outputs[0]),
        np.asarray(params["unembedding"]),
        None if head is None else np.asarray(head),
    )


Measure = Callable[[Models, Models, np.ndarray], dict[str, np.ndarray]]


def make_measures(task: Task, label_sets: np.ndarray) -> Measure:
    """A function (students, teachers, owner) -> {name: one value a student}.

    `owner[i]` is the teacher of student i. `label_sets` are those d_rep averages over. Runs in
    double precision on the host, so that bounds are compared without rounding of their own.
    """
    unseen = None if task.unseen is None else jnp.asarray(task.unseen)
    probe = None if task.test.concept is None else _make_probe(task)

    @jax.jit
    def one(student: Models, teacher: Models) -> dict[str, jax.Array]:
        label = jnp.asarray(task.test.label)
        values = _pair_measures(student, teacher, label, label_sets)
        if unseen is not None:
            right = (student.f @ student.g.T).argmax(1) == label
            values["unseen_accuracy"] = (right * unseen).sum() / unseen.sum()
        return values | (probe(jnp.asarray(student.f)) if probe else {})

    def measure(students: Models, teachers: Models, owner: np.ndarray) -> dict[str, np.ndarray]:
        host = jax.local_devices(backend="cpu")[0]
        with jax.enable_x64(True), jax.default_device(host):
            double = lambda models: jax.tree.map(lambda a: np.asarray(a, np.float64), models)
            students, teachers = double(students), double(teachers)
            at = lambda models, i: jax.tree.map(lambda a: a[i], models)
            pairs = [(at(students, i), at(teachers, t)) for i, t in enumerate(owner)]
            values = jax.device_get([one(*pair) for pair in pairs])
        ordered = sorted(values[0], key=_place)
        return {name: np.array([v[name] for v in values]) for name in ordered}

    return measure


def _place(name: str) -> tuple[int, str]:
    """Measures in the order of their table, then the rest by name."""
    places = list(DIRECTIONS)
    return (places.index(name) if name in DIRECTIONS else len(places), name)


def _pair_measures(student: Models, teacher: Models, label, label_sets) -> dict[str, jax.Array]:
    log_p, log_q = (similarity.log_probs(m.f, m.g) for m in (teacher, student))
    pair = (teacher.f, teacher.g, student.f, student.g)
    rep = similarity.d_rep(*pair, label_sets=label_sets)
    values = _label_scores(log_q, label, len(student.g)) | _ranks(log_q, log_p)
    values |= {
        "agreement": similarity.agreement(log_p, log_q).mean(),
        "kl": similarity.kl(log_p, log_q).mean(),
        "min_probability": jnp.exp(jnp.minimum(log_p, log_q).min()),
        "d_logit": similarity.logit_distance(*pair),
        "d_rep": jnp.sqrt(rep.d_sq),
        "median_d_rep": jnp.sqrt(jnp.median(rep.per_set)),
        "mcca": similarity.mcca(teacher.f, student.f),
    }
    return values | _bounds(pair, log_p, log_q, label_sets, teacher.concept_head)


def _label_scores(log_q, label, num_labels: int) -> dict[str, jax.Array]:
    predicted, probs = log_q.argmax(1), jnp.exp(log_q)
    return {
        "accuracy": distill.accuracy(predicted, label),
        "macro_f1": distill.macro_f1(predicted, label, num_labels),
        "nll": jax.vmap(distill.nll)(log_q, label).mean(),
        "brier": jax.vmap(distill.brier)(probs, label).mean(),
        "classwise_ece": distill.classwise_ece(probs, label),
    }


def _ranks(log_q, log_p) -> dict[str, jax.Array]:
    measures = {
        "pairwise_agreement": distill.pairwise_agreement,
        "kendall_tau": distill.kendall_tau,
        "spearman_rho": distill.spearman_rho,
    }

    def row(pair):
        values = {name: fn(*pair) for name, fn in measures.items()}
        return values | {"ndcg": distill.ndcg(jnp.exp(pair[0]), jnp.exp(pair[1]))}

    rows = jax.lax.map(row, (log_q, log_p), batch_size=min(_ROWS_TOGETHER, len(log_q)))
    # A row whose probabilities tie in all digits has no order to agree with.
    return {name: jnp.nanmean(values) for name, values in rows.items()}


def _bounds(pair, log_p, log_q, label_sets, concept_head) -> dict[str, jax.Array]:
    f, g, f2, g2 = pair
    found = {
        "kl_below_logit": similarity.bounds.kl_below_logit(log_p, log_q),
        "logit_below_kl": similarity.bounds.logit_below_kl(log_p, log_q),
        "d_rep_below_logit": similarity.bounds.d_rep_below_logit(*pair, label_sets=label_sets),
        "cca_below_residual": similarity.bounds.cca_below_residual(f, g, f2),
        "residual_below_logit": similarity.bounds.residual_below_logit(*pair),
        "mcca_above_logit": similarity.bounds.mcca_above_logit(*pair),
    }
    if concept_head is not None:
        found["concept_kl"] = similarity.bounds.concept_kl(concept_head, *pair)
    values = {}
    for name, bound in found.items():
        values[f"{name}_slack"] = bound.slack.min()
        values[f"{name}_lhs"], values[f"{name}_rhs"] = bound.lhs.mean(), bound.rhs.mean()
        values[f"{name}_holds"] = bound.holds.all()
    return values


def _make_probe(task: Task) -> Callable[[jax.Array], dict[str, jax.Array]]:
    """Scores of a concept probe fitted on half of the test embeddings, on the other half."""
    fitted, scored = probe_halves(task)
    concept, num = task.test.concept, len(task.concept_names)
    assert concept is not None
    fit = functools.partial(distill.fit_linear_probe, num_classes=num)

    def probe(f: jax.Array) -> dict[str, jax.Array]:
        log_probs = jax.nn.log_softmax(
            fit(f[fitted], jnp.asarray(concept[fitted])).logits(f[scored])
        )
        predicted, truth = log_probs.argmax(1), jnp.asarray(concept[scored])
        return {
            "concept_accuracy": distill.accuracy(predicted, truth),
            "concept_macro_f1": distill.macro_f1(predicted, truth, num),
            "concept_nll": jax.vmap(distill.nll)(log_probs, truth).mean(),
        }

    return probe
