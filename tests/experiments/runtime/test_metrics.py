"""Oracles: the lines that were written."""

import types

import jax
import pytest

from experiments.runtime.errors import UserError
from experiments.runtime.metrics import MetricsWriter, read_metrics
from experiments.runtime.progress import Progress, duration
from experiments.runtime.trackers import check_trackers
from experiments.runtime.utilisation import peak_flops


def test_lines_come_back_and_reach_every_sink(tmp_path):
    seen = []
    sink = types.SimpleNamespace(write=lambda *line: seen.append(line), close=lambda: None)
    writer = MetricsWriter(tmp_path / "m.jsonl", [sink])
    writer.write(1, "train", {"loss": 0.1})
    writer.write(1, "test", {"loss": 1 / 3})
    writer.close()
    assert read_metrics(tmp_path / "m.jsonl") == [
        {"step": 1, "split": "train", "loss": 0.1},
        {"step": 1, "split": "test", "loss": 1 / 3},
    ]
    assert seen == [(1, "train", {"loss": 0.1}), (1, "test", {"loss": 1 / 3})]


def test_rewind_drops_later_lines_and_a_line_cut_short(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"step": 1, "split": "train"}\n{"step": 3, "split": "train"}\n{"step": 4, "sp')
    writer = MetricsWriter(path)
    writer.rewind(2)
    writer.write(3, "train", {"x": 1})
    writer.close()
    assert [r["step"] for r in read_metrics(path)] == [1, 3]


def test_damage_in_the_middle_is_one_clear_error(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"step": 1}\nnot json\n{"step": 2}\n')
    with pytest.raises(UserError, match="line 2"):
        read_metrics(path)


def test_an_unknown_tracker_is_one_clear_error(tmp_path):
    del tmp_path
    with pytest.raises(UserError, match="tensorboard, wandb"):
        check_trackers(["tensorbord"])


def test_progress_says_where_how_fast_and_how_long(monkeypatch):
    clock = iter([0.0, 2.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    progress = Progress(1_000, batch_size=64, unit="images")
    progress.start(0)
    line, speed = progress.line(100, {"bits_per_dim": 2.5})
    assert line == "step 100/1,000  bits_per_dim 2.5  20 ms/step  3,200 images/s  ETA 0:18"
    assert speed == {}


def test_progress_gives_the_share_of_peak_where_it_is_known(monkeypatch):
    clock = iter([0.0, 2.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    progress = Progress(1_000, batch_size=64, flops=5e9, peak=40e12)
    progress.start(0)
    line, speed = progress.line(100, {})
    # 3,200 images of 5 GFLOP a second on 40 TFLOP/s.
    assert speed == {"mfu": pytest.approx(0.4)} and "MFU 40.0%" in line


def test_the_peak_is_that_given_for_each_device_or_unknown_here():
    assert peak_flops(2.0) == 2e12 * len(jax.devices())
    assert peak_flops() is None  # a CPU is in no table


def test_durations_read_as_clocks():
    assert [duration(s) for s in (0, 59.6, 61, 3723)] == ["0:00", "1:00", "1:01", "1:02:03"]
