"""What each test file costs in compilations and CPU time, printed after the run (the ten worst).

Almost all time of these tests goes into compiling, not into computing: a file that stands high
here wants a shared fixture or fewer shapes. Programs that a test starts are counted in CPU time
but not in compilations.
"""

import collections
import os

import jax.monitoring
import pytest

COMPILED = "/jax/core/compile/backend_compile_duration"
_durations: list[float] = []
_START = pytest.StashKey[tuple[float, int]]()


def _listen(event: str, duration: float, **_) -> None:
    if event == COMPILED:
        _durations.append(duration)


def number() -> int:
    """How many programs were compiled, or read from the cache, since the running test began."""
    return len(_durations)


def pytest_configure(config):
    jax.monitoring.register_event_duration_secs_listener(_listen)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    item.stash[_START] = (_cpu_seconds(), 0)
    _durations.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    began, counted = item.stash[_START]
    now = _cpu_seconds()
    new = _durations[counted:]
    item.stash[_START] = (now, len(_durations))
    report.cost = (len(new), sum(new), now - began)  # of this phase; xdist carries it over
    return report


def pytest_terminal_summary(terminalreporter):
    costs = collections.defaultdict(lambda: [0, 0.0, 0.0])
    for reports in terminalreporter.stats.values():
        for report in reports:
            for i, value in enumerate(getattr(report, "cost", ())):
                costs[report.nodeid.split("::")[0]][i] += value
    if not costs:
        return
    worst = sorted(costs.items(), key=lambda file: -file[1][2])
    compiled, seconds, cpu = (sum(cost[i] for cost in costs.values()) for i in range(3))
    terminalreporter.section("compilations and CPU seconds by file")
    terminalreporter.write_line(f"all: {compiled:,} compilations, {seconds:.0f} s, CPU {cpu:.0f} s")
    for name, (number, spent, used) in worst[:10]:
        terminalreporter.write_line(f"{number:5d} in {spent:5.1f} s, CPU {used:6.1f} s  {name}")
