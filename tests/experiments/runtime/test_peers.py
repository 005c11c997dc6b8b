"""A process that dies or stops ends the other with its name. Oracle: which one was struck."""

import signal
import subprocess
import sys
import time

import pytest

from experiments.runtime import peers
from experiments.runtime.checkpoint import Checkpointer
from tests.two_processes import environment, free_port


class Store:
    """The coordinator's store as a dict."""

    def __init__(self):
        self.values = {}

    def key_value_set(self, key, value, allow_overwrite):
        assert allow_overwrite
        self.values[key] = value

    def key_value_try_get(self, key):
        return self.values[key]


@pytest.fixture
def ended(monkeypatch):
    """What a watch says when it ends the process."""
    said = []
    monkeypatch.setattr(peers, "PATIENCE", 0.4)
    monkeypatch.setattr(peers, "end", said.append)
    return said


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_who_falls_silent_is_named_and_who_has_finished_is_not(ended):
    store = Store()
    peers.note("in step 7")
    watches = [peers.Watch(store, index, 3) for index in range(3)]
    time.sleep(1)
    assert not ended
    watches[1].close()  # as it should
    time.sleep(1)
    assert not ended
    watches[2]._end.set()  # without a word
    wait_until(lambda: ended)
    assert "process 2 has given no sign of life" in ended[0]
    assert ended[0].endswith("it was last heard of in step 7")
    watches[0].close()


def test_a_store_that_does_not_answer_is_process_0(ended):
    class Gone(Store):
        def key_value_set(self, key, value, allow_overwrite):
            raise RuntimeError("UNAVAILABLE")

    made = peers.Watch(Gone(), 1, 2)
    wait_until(lambda: ended)
    assert "process 0 has given no sign of life" in ended[0]
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("struck", [0, 1])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
@pytest.mark.parametrize("doing", ["training", "saving", "evaluation"])
def test_a_lost_process_ends_the_other_in_a_stated_time(tmp_path, struck, how, doing):
    """Case C21: an abort of C++ after 59 seconds, or nothing ever."""
    command = [sys.executable, "-m", "tests.experiments.runtime.lost", str(free_port())]
    files = [(tmp_path / f"{index}.err").open("w") for index in range(2)]
    processes = [
        subprocess.Popen([*command, str(i), str(tmp_path), doing], stderr=file, env=environment(4))
        for i, file in enumerate(files)
    ]
    try:
        wait_until((tmp_path / doing).exists, 300)
        processes[struck].send_signal(getattr(signal, how))
        begun = time.monotonic()
        code = processes[1 - struck].wait(timeout=60)
        said = (tmp_path / f"{1 - struck}.err").read_text()
        assert code == peers.LOST, said
        assert f"error: process {struck} " in said and "last heard of in " in said
        # 4 seconds, and the time that a busy machine takes to look at the clock.
        assert time.monotonic() - begun < 30
        saved = [p for p in (tmp_path / "run/checkpoints").iterdir() if p.name.isdigit()]
        assert saved and all(Checkpointer(p.parent).is_intact(int(p.name)) for p in saved)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for file in files:
            file.close()
