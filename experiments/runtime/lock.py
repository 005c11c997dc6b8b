"""One writer a folder: a lock that names its holder and that the holder's death releases.

Where the file system has `flock`, the kernel keeps the lock. Elsewhere the file itself is a lease
that its holder touches every few seconds. A holder on this host that has died is replaced at once,
one on another host when its lease has run out, `LEASE` seconds after its last sign of life.
"""

import datetime
import errno
import fcntl
import json
import os
import pathlib
import socket
import subprocess
import threading
from typing import Any

from experiments.runtime.errors import UserError
from experiments.runtime.files import StorageError, explained

NAME = "run.lock"
LEASE = 120.0  # seconds
RENEW = 20.0
_UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


class LockedError(UserError):
    """Another process writes to the folder."""


def started(pid: int) -> str | None:
    """When a process of this host started, in its own units; None where there is no such process.

    A process number alone says little: it may have been given to another process since.
    """
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return text.rsplit(")", 1)[1].split()[19]
    except OSError:
        if pathlib.Path("/proc/self/stat").exists():
            return None
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return listed.stdout.strip() or None


def owner() -> dict[str, Any]:
    """Who this process is."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "since": now, "started": started(pid)}


class Lock:
    """The lock of `folder`, which must exist; taken at once.

    Raises:
      LockedError: another process holds it, and which one.
    """

    def __init__(self, folder: pathlib.Path):
        self.path = folder / NAME
        self.lost = False
        self._stop = threading.Event()
        self._file: int | None = None
        self._mine = json.dumps(owner())
        with explained(self.path):
            if not self._flock():
                self._lease()

    def _flock(self) -> bool:
        """Whether the kernel keeps the lock; False where the file system has no such locks."""
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(file)
                if error.errno in _UNSUPPORTED:
                    return False
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                raise self._refuse(_read(self.path)) from error
            # Its holder may have removed the file between our opening and our locking it.
            if _same(file, self.path):
                break
            os.close(file)
        os.ftruncate(file, 0)
        os.pwrite(file, self._mine.encode(), 0)
        self._file = file
        return True

    def _lease(self) -> None:
        if self.path.exists() and self.path.stat().st_size == 0:
            self.path.unlink()  # made by the attempt to lock it
        while True:
            try:
                file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                self._remove_dead()
                continue
            os.write(file, self._mine.encode())
            os.close(file)
            break
        threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def _remove_dead(self) -> None:
        """Removes the lease of a holder that is dead. Raises `LockedError` where it is not."""
        held = _read(self.path)
        if not held:
            return
        here = held.get("host") == socket.gethostname()
        dead = started(held["pid"]) != held["started"] if here else self._age() > LEASE
        if not dead:
            raise self._refuse(held)
        # By renaming, of which only one of several processes can be the first.
        aside = self.path.with_name(f"{NAME}.{os.getpid()}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if _read(aside) != held:  # a live holder came in between
            os.link(aside, self.path)
            aside.unlink()
            raise self._refuse(_read(self.path))
        aside.unlink()

    def _age(self) -> float:
        """Seconds since the lease was renewed, by the clock of the file system alone."""
        probe = self.path.with_name(f"{NAME}.{os.getpid()}")
        probe.write_text("")
        age = probe.stat().st_mtime - self.path.stat().st_mtime
        probe.unlink()
        return age

    def _renew(self) -> None:
        while not self._stop.wait(RENEW):
            try:
                if self.path.read_text() != self._mine:
                    self.lost = True
                    return
                os.utime(self.path)
            except OSError:
                continue  # the next try may succeed; the lease outlives several

    def check(self) -> None:
        """Raises `StorageError` where the folder has vanished or another process took it over."""
        if self._file is not None:
            lost = not _same(self._file, self.path)
        else:
            lost = self.lost or not self.path.exists()
        if lost:
            raise StorageError(
                f"{self.path.parent} is no longer this run's: the folder or its {NAME} has "
                "vanished or was taken over; nothing more is written"
            )

    def _refuse(self, held: dict[str, Any]) -> LockedError:
        who = (
            f"process {held['pid']} on {held['host']} since {held['since']}"
            if held
            else "another process"
        )
        return LockedError(
            f"{self.path.parent} is being written by {who}. Wait for it, stop it, or use another "
            f"--workdir. (A lock of a process that has died is taken over at once on its own host, "
            f"from another host after at most {LEASE:.0f} seconds.)"
        )

    def release(self) -> None:
        """Gives the lock up; the second call does nothing."""
        self._stop.set()
        try:
            if not self.lost and _read(self.path) == json.loads(self._mine):
                self.path.unlink()
        except OSError:
            pass  # the folder has vanished or cannot be written: nothing is left to release
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _same(file: int, path: pathlib.Path) -> bool:
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _read(path: pathlib.Path) -> dict[str, Any]:
    """What the holder wrote; empty where it has not yet, or is gone."""
    try:
        found = json.loads(path.read_text())
        return found if {"host", "pid", "since", "started"} <= found.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}
