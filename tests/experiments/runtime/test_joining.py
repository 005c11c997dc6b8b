"""Who does not join is named. Oracle: which processes were started."""

import subprocess
import sys

import pytest

from experiments.runtime import joining
from tests.two_processes import environment, free_port

PROGRAM = """
import sys
from experiments.runtime import joining
joining.join(*sys.argv[1:2], 4, int(sys.argv[2]), heartbeat=100, within=3)
"""
# As jaxlib 0.10.2 writes it.
LOG = """DEADLINE_EXCEEDED: Barrier timed out. Id: [Init]Wait_for_all_tasks_to_register::0.
# of tasks that reached the barrier: 2/4.
The first task at the barrier: 0. Some timed out task names:
3
2
 [type.googleapis.com/tensorflow.CoordinationServiceError='']
"""


@pytest.mark.slow
def test_those_that_joined_name_those_that_did_not():
    """An abort of C++ after five minutes, with a stack and no name."""
    command = [sys.executable, "-c", PROGRAM, f"localhost:{free_port()}"]
    both = [
        subprocess.Popen([*command, index], env=environment(1), stderr=subprocess.PIPE, text=True)
        for index in "01"
    ]
    for process in both:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == joining.MISSING, said
        assert said.startswith("error: processes 2, 3 have not joined after 3 seconds.")
        assert "Check failure stack trace" not in said


def test_one_and_none_named():
    assert joining.missing(LOG) == "processes 2, 3 have not joined"
    assert joining.missing(LOG.replace("3\n2\n", "1\n")) == "process 1 has not joined"
    assert "process 0 knows which" in joining.missing("DEADLINE_EXCEEDED: RegisterTask")
