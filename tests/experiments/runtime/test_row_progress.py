"""Oracle: the lines themselves, with a clock of our own."""

import io

from experiments.runtime import row_progress as progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(monkeypatch, out, seconds):
    clock = iter(seconds)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    say = progress.line("encode", out=out)
    for done in (100, 200, 300, 400):
        say(done, 400)
    return out.getvalue()


def test_rates_leave_out_what_was_done_before(monkeypatch):
    text = run(monkeypatch, io.StringIO(), [0.0, 4.0, 20.0, 30.0])
    assert text.splitlines() == [
        "encode: 100/400",
        "encode: 300/400  10.0 rows/s  ETA 0:10",
        "encode: 400/400  10.0 rows/s  ETA 0:00",
    ]


def test_a_terminal_shows_one_bar(monkeypatch):
    text = run(monkeypatch, Terminal(), [0.0, 4.0, 20.0, 30.0])
    assert text.count("\n") == 1 and text.count("\r") == 4
    assert "[############............]" in text
