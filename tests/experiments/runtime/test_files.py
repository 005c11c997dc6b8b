"""Oracles: what was written comes back; a flipped byte, a full disk and a closed pipe by hand."""

import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments.runtime import cli, files
from experiments.runtime.errors import UserError
from experiments.runtime.metrics import MetricsWriter, read_metrics

VALUE = {"a": {"gamma_max": 5.0, "list": [1, 2, None]}, "b": "text", "c": True}


@pytest.mark.parametrize("value", [VALUE, {}, {"only": 1}])
def test_json_comes_back_and_is_plain_json(tmp_path, value):
    path = tmp_path / "folder" / "x.json"
    files.write_json(path, value)
    assert files.read_json(path) == value
    assert {k: v for k, v in json.loads(path.read_text()).items() if k != files.SEAL} == value
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_every_flipped_bit_is_refused(tmp_path):
    """Case R10: of 100 flips of config.json 35 were read as if nothing had happened."""
    path = tmp_path / "config.json"
    files.write_json(path, VALUE)
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(files.DamagedError, match="config.json is damaged or was changed"):
            files.read_json(path)


@pytest.mark.parametrize("length", [0, 1, 40, -2])
def test_an_empty_or_cut_file_is_one_sentence(tmp_path, length):
    path = tmp_path / "config.json"
    files.write_json(path, VALUE)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(files.DamagedError, match="it is empty" if length == 0 else "damaged"):
        files.read_json(path)


def test_files_of_earlier_versions_are_read_as_they_are(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(VALUE, indent=2, sort_keys=True) + "\n")
    assert files.read_json(path) == VALUE
    path.write_text(json.dumps({"data": {"sha256": "0" * 64}}, indent=2) + "\n")
    assert files.read_json(path) == {"data": {"sha256": "0" * 64}}


def test_every_flipped_bit_of_metrics_is_refused(tmp_path):
    """Case R10: of 200 flips of metrics.jsonl 76 were kept as changed values."""
    path = tmp_path / "metrics.jsonl"
    writer = MetricsWriter(path)
    for step in (1, 2):
        writer.write(step, "train", {"loss": 1 / step, "lists": [0.5, float("nan")]})
    writer.close()
    whole, records = path.read_bytes(), read_metrics(path)
    assert records[1] == {"step": 2, "split": "train", "loss": 0.5, "lists": [0.5, "nan"]}
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(UserError, match="metrics.jsonl, line . is damaged"):
            read_metrics(path)


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = MetricsWriter(path)
    for step in (1, 2):
        writer.write(step, "train", {"loss": 1.0})
    writer.close()
    whole = path.read_bytes()
    for length in range(len(whole) // 2 + 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        if whole[:length].endswith(b'"}'):
            continue
        assert [r["step"] for r in read_metrics(path)] == [1]


@pytest.mark.parametrize(
    "number, said",
    [(28, "disk is full"), (30, "read-only"), (13, "not permitted"), (20, "is a file")],
)
def test_what_the_file_system_says_is_one_sentence_and_the_old_file_stays(tmp_path, number, said):
    path = tmp_path / "x.json"
    files.write_json(path, VALUE)

    def full(file):
        file.write(b"half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(files.StorageError, match=f"x.json: .*{said}.*is kept"):
        files.write(path, full)
    assert files.read_json(path) == VALUE and len(list(tmp_path.iterdir())) == 1


def test_a_place_where_nothing_can_be_made_is_refused_before_the_work():
    """Of /proc the permissions say that the superuser may write there."""
    if not pathlib.Path("/proc").exists():
        pytest.skip("no /proc here")
    with pytest.raises(UserError, match="--page=/proc/none/x.html: nothing can be written in /pr"):
        files.check_file(pathlib.Path("/proc/none/x.html"), "--page", ".html")


def test_digests_see_values_shapes_and_types():
    different = [1, "1", [1], {"a": 1}, np.arange(6), np.arange(6).reshape(2, 3), None]
    different += [np.arange(6).astype(np.float32), [np.arange(3), np.arange(3, 6)], [[1]], 1.5]
    assert len({files.digest_of(value) for value in different}) == len(different)
    assert files.digest_of({"a": 1, "b": (1, 2)}) == files.digest_of({"b": [1, 2], "a": 1})


def test_a_stream_without_reader_swallows_what_it_is_given():
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            raise OSError

    stream = cli._Unbreakable(Broken())
    print("gone", file=stream, flush=True)
    assert stream.isatty() is False


@pytest.mark.parametrize("how", ["| head -1", ">&-", ">&- 2>&-"])
def test_a_program_whose_output_is_closed_ends_well(tmp_path, how):
    """Case C12. A file opened after `>&-` must not become the output."""
    program = (
        "from experiments.runtime import cli\n"
        "cli.keep_output_from_stopping_runs()\n"
        "kept = open('kept', 'w')\n"
        "for i in range(20000): print('line', i, flush=True)\n"
        "kept.write('whole'); kept.close()\n"
    )
    (tmp_path / "program.py").write_text(program)
    root = str(files.pathlib.Path(__file__).parents[3])
    command = f"set -o pipefail; {sys.executable} program.py {how}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": root}
    )
    assert done.returncode == 0 and (tmp_path / "kept").read_text() == "whole"


@pytest.mark.parametrize(
    "given, how",
    [
        ("gs://bucket/run", r"\(gcsfuse --implicit-dirs bucket /mnt/bucket\) .*=/mnt/bucket/run"),
        ("s3:/bucket/a/b", r"\(mount-s3 bucket /mnt/bucket\) and give --workdir=/mnt/bucket/a/b"),
        ("hdfs://host/run", r"on every host and give --workdir=/mnt/host/run"),
    ],
)
def test_a_remote_folder_is_refused_with_how_to_mount_it(given, how):
    with pytest.raises(UserError, match=f"remote folders are not supported; mount .*{how}"):
        files.folder(given)
