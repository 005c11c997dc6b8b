"""Every public function is tried over what people pass in, or is listed here with the reason."""

import dis
import importlib
import inspect
import pathlib
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

import pytest

TESTS = pathlib.Path(__file__).parent
# Where functions meet dtypes, layouts, offsets, scales and duplicates.
PROPERTIES = {
    "diffenc": ["diffenc/test_accepts.py", "diffenc/test_inputs.py"],
    "distill": ["distill/test_accepts.py"],
    "hubness": ["hubness/test_inputs.py", "hubness/test_inputs_lists.py"],
    "similarity": [
        "similarity/test_accepts.py",
        "similarity/test_accepts_bounds.py",
        "similarity/test_accepts_models.py",
    ],
    "repgeo.inputs": ["repgeo/test_inputs.py"],
}


def public(name: str) -> dict[str, object]:
    """Functions that `name` exports, and those of the modules that it exports."""
    library = importlib.import_module(name)
    found = {}
    for word in getattr(library, "__all__", None) or own_functions(library):
        value = getattr(library, word)
        if isinstance(value, ModuleType):
            words = getattr(value, "__all__", None) or own_functions(value)
            inner = {f"{word}.{w}": getattr(value, w) for w in words}
            found |= {w: function for w, function in inner.items() if is_function(function)}
        elif is_function(value):
            found[word] = value
    return found


def is_function(value: object) -> bool:
    return isinstance(inspect.unwrap(value) if callable(value) else value, FunctionType)


def own_functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and is_function(value)
        and inspect.unwrap(value).__module__ == module.__name__
    ]


def referred(file: str) -> list[object]:
    """The functions that the code of a test file names, found as Python would find them.

    `a.b.f` is followed through modules from a global name, so that functions of one last name are
    told apart, and local names stand for nothing.
    """
    name = ".".join(("tests", *pathlib.PurePath(file).with_suffix("").parts))
    own, found = vars(importlib.import_module(name)), []
    for code in codes(compile((TESTS / file).read_text(), file, "exec")):
        value: object = None
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                value = own.get(step.argval)
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
                value = getattr(value, step.argval)
            else:
                value = None
            found += [value] if is_function(value) else []
    return found


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from codes(inner)


def named(prefix: str, words: str) -> set[str]:
    return {f"{prefix}{word}" for word in words.split()}


# Reason -> functions that no property test calls: of none are arrays of a user the input.
ELSEWHERE: dict[str, dict[str, set[str]]] = {
    "diffenc": {
        "of a bound process: tests/diffenc/test_process_checks.py, or within what is jitted": (
            named("elbo.", "denoising_residual error_and_motion prior_kl reconstruction_nll")
            | named("finite_depth.", "diffusion_loss expected_step_costs mean_difference")
            | named("finite_depth.", "sampled_step_cost step_cost")
            | named("flow.", "log_density log_weight transport velocity")
            | named("importance.", "importance_bound path_log_weight")
            | named("sampling.", "ancestral_sample generative_step sample_along")
            | named("step_choice.", "pair_costs best_levels")
            | named("volatility_choice.", "estimate moments")
            | {"elbo.elbo_terms", "elbo_terms", "path.shift"}
        ),
        "formulas of levels and costs that these form": (
            named("finite_depth.", "optimal_cost optimal_log_ratio variance_penalty")
            | named("schedules.", "split variance_surrogate")
            | named("volatility.", "at cosine_series interpolated network over_step series")
            | {"elbo.per_example_sum"}
        ),
        "makes a function, parameters, times or a count, of no data": (
            named("encoder.", "identity_encoder nt_encoder residual_encoder smooth_encoder")
            | named("volatility.", "init_network init_series")
            | {"model_flops", "stratified_times"}
        ),
        "reads files of the published code, tests/diffenc/test_upstream.py": named(
            "upstream.",
            "decode_checkpoint decode_state from_published mismatches published_names weights_of",
        ),
    },
    "distill": {
        "initialises parameters": {"fan_in_uniform", "fan_in_uniform_rows"},
    },
    "hubness": {
        "makes an object, of words": {
            *("MutualProximity", "reductions.MutualProximity", "reductions.reduction"),
        },
        "formulas of a number of points or tokens": named(
            "tokens.", "probability_variance_bound skewness_bound"
        ),
    },
    "similarity": {
        "makes models, sets or names, of no data": (
            named("constructions.", "centred_cosines equal_likelihoods equal_signs_other_ranks")
            | named("constructions.", "fixed_length_cosines permuted_directions perturbed")
            | named("constructions.", "radial rotated_apart row_lengths spiral swapped_neighbours")
            | named("sets.", "all_label_sets chosen_label_sets label_sets_of sample_label_sets")
            | {"sets.sample_subsets", "find", "trivial_correlations", "patterns.braid"}
        ),
    },
    "repgeo.inputs": {"no check of values": {"alike", "is_traced", "module"}},
}


def untried(library: str) -> set[str]:
    """Public functions, by name, that no property test of the library refers to."""
    tried = {id(value) for file in PROPERTIES[library] for value in referred(file)}
    return {name for name, function in public(library).items() if id(function) not in tried}


@pytest.mark.parametrize("library", PROPERTIES)
def test_every_public_function_is_tried_or_listed(library):
    listed = set().union(*ELSEWHERE[library].values())
    assert untried(library) == listed


def test_functions_of_one_last_name_are_told_apart():
    """Both libraries have a `spearman`, hubness two of `knn`: each is its own object."""
    import hubness

    assert hubness.knn in referred("hubness/test_inputs.py")
    everything = public("hubness") | public("similarity")
    by_last: dict[str, set[int]] = {}
    for name, function in everything.items():
        by_last.setdefault(name.split(".")[-1], set()).add(id(function))
    assert len(by_last["knn"]) == len(by_last["spearman"]) == 2
