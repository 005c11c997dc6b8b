"""One writer a folder, with flock and without. Oracles: processes that live, and one that died."""

import errno
import json
import os
import re
import subprocess
import sys
import time

import pytest

from experiments.runtime import lock
from experiments.runtime.files import StorageError
from experiments.runtime.lock import Lock, LockedError, owner, started


@pytest.fixture(params=["flock", "lease"])
def kind(request, monkeypatch):
    """Both kinds; a lease is what there is on file systems without flock."""
    if request.param == "lease":

        def unsupported(file, how):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    return request.param


def test_the_second_is_told_of_the_first_and_may_follow_it(kind, tmp_path):
    first = Lock(tmp_path)
    first.check()
    with pytest.raises(LockedError) as refused:
        Lock(tmp_path)
    assert re.search(rf"process {os.getpid()} on \S+ since \d{{4}}-\d\d-\d\dT", str(refused.value))
    first.release()
    first.release()
    second = Lock(tmp_path)
    second.release()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def dead():
    """A process that has ended, as the owner of a lock."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    facts = owner() | {"pid": process.pid, "started": started(process.pid)}
    process.wait()
    return facts


def test_the_lock_of_a_dead_process_is_taken_over_at_once(kind, tmp_path, dead):
    (tmp_path / lock.NAME).write_text(json.dumps(dead))
    begun = time.monotonic()
    Lock(tmp_path).release()
    assert time.monotonic() - begun < 1


def test_a_number_given_to_another_process_since_does_not_keep_a_lock(kind, tmp_path):
    (tmp_path / lock.NAME).write_text(json.dumps(owner() | {"started": "1"}))
    Lock(tmp_path).release()


def test_a_lease_of_another_host_holds_until_it_runs_out(tmp_path, monkeypatch):
    def unsupported(file, how):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    path = tmp_path / lock.NAME
    path.write_text(json.dumps(owner() | {"host": "elsewhere"}))
    with pytest.raises(LockedError, match="on elsewhere since .*at most 120 seconds"):
        Lock(tmp_path)
    old = time.time() - lock.LEASE - 5
    os.utime(path, (old, old))
    Lock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_notices_that_its_lease_was_taken_over(tmp_path, monkeypatch):
    def unsupported(file, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    monkeypatch.setattr(lock, "RENEW", 0.01)
    first = Lock(tmp_path)
    (tmp_path / lock.NAME).write_text(json.dumps(owner() | {"host": "elsewhere"}))
    deadline = time.monotonic() + 10
    while not first.lost and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(StorageError, match="taken over"):
        first.check()
    first.release()
    assert (tmp_path / lock.NAME).exists()  # it is the other's


def test_a_folder_that_vanished_is_noticed(kind, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    held = Lock(folder)
    (folder / lock.NAME).unlink()
    with pytest.raises(StorageError, match="vanished"):
        held.check()
    held.release()


@pytest.mark.slow
def test_killing_the_holder_frees_the_folder(tmp_path):
    program = (
        "import pathlib, sys, time\nfrom experiments.runtime.lock import Lock\n"
        "held = Lock(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\ntime.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {process.pid}"):
            Lock(tmp_path)
        process.kill()
    Lock(tmp_path).release()
