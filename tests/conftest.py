"""Shared test settings: eight fake CPU devices, strict shapes, one compilation cache."""

import os
import pathlib
import time

# Before JAX starts. Worker processes and the programs that tests launch inherit all of it.
ROOT = pathlib.Path(__file__).parents[1]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ.setdefault("MPLBACKEND", "agg")
# Threads of BLAS wait by spinning: where others use the cores, a small SVD took 1,000 ms, not 1.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Most tests compile for seconds and run for milliseconds; `optimised` is for the others.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "True")

import jax
import jaxtyping
import pytest
from jaxtyping import install_import_hook

from tests import compilations
from tests.apart import apart

# Programs without the fusion emitters compile in half the time; later releases have no choice.
if jax.__version_info__ < (0, 11):
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"
jax.config.update("jax_numpy_rank_promotion", "raise")
# Every shape annotation is checked while testing, and costs nothing in production.
install_import_hook(["repgeo", "diffenc", "similarity", "hubness", "distill"], "beartype.beartype")


BEGAN, SECONDS = time.monotonic(), float(os.environ.get("TEST_SECONDS", "inf"))


def pytest_configure(config):
    config.pluginmanager.register(compilations)


@pytest.hookimpl(trylast=True)  # after marks and names have chosen
def pytest_collection_modifyitems(config, items):
    """TEST_TURN=N leaves two of the tests, the next two for N + 1: see `make slow`."""
    if (turn := os.environ.get("TEST_TURN")) and items:
        chosen = {(2 * int(turn) + i) % len(items) for i in range(2)}
        config.hook.pytest_deselected(items=[t for i, t in enumerate(items) if i not in chosen])
        items[:] = [test for i, test in enumerate(items) if i in chosen]


def pytest_runtest_setup(item):
    if time.monotonic() - BEGAN > SECONDS:
        pytest.skip(f"not begun within {SECONDS:.0f} s: `make test` runs it")


@pytest.fixture
def x64():
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unchecked():
    """Annotations off, so that a wrong shape reaches the function's own error."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def _optimise(on: bool) -> None:
    jax.config.update("jax_disable_most_optimizations", not on)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(not on)  # of programs that a test starts


def _optimised():
    """Fully optimised programs: for a test that trains, or whose tolerance was measured on them."""
    _optimise(True)
    with apart("optimised"):
        yield
    _optimise(False)


optimised = pytest.fixture(_optimised)
optimised_module = pytest.fixture(_optimised, scope="module")


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    return ROOT
