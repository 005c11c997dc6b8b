"""Oracle: the same rows computed at once."""

import json

import numpy as np
import pytest

from experiments.runtime.errors import UserError
from experiments.text.digests import array_digest, file_digest, text_digest


class Source:
    """Rows i, i², and which of them were asked for."""

    def __init__(self, fail_at=None):
        self.calls, self.fail_at = [], fail_at

    def __call__(self, start, stop):
        if start == self.fail_at:
            raise KeyboardInterrupt
        self.calls.append((start, stop))
        rows = np.arange(start, stop)
        return {"x": rows.astype(np.float32)[:, None], "y": rows**2}


def run(folder, source, key=None, **kwargs):
    return compute_in_chunks(folder, key or {"model": "m"}, 10, source, chunk_rows=4, **kwargs)


def assert_complete(result):
    np.testing.assert_array_equal(result["x"][:, 0], np.arange(10))
    np.testing.assert_array_equal(result["y"], np.arange(10) ** 2)


def test_rows_are_those_of_one_computation(tmp_path):
    seen = []
    assert_complete(run(tmp_path, Source(), say=lambda done, total: seen.append((done, total))))
    assert seen == [(0, 10), (4, 10), (8, 10), (10, 10)]


def test_an_interrupted_run_continues_where_it_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Source(fail_at=8))
    again = Source()
    assert_complete(run(tmp_path, again))
    assert again.calls == [(8, 10)]


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "half-line"])
def test_a_damaged_chunk_is_computed_again(tmp_path, damage):
    run(tmp_path, Source())
    path = tmp_path / "rows-000000004.npz"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        # A byte of the stored values: the archive itself stays readable but for its checksum.
        data[200] ^= 1
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "delete":
        path.unlink()
    else:
        log = tmp_path / "chunks.jsonl"
        lines = log.read_text().split("\n")
        log.write_text("\n".join([lines[0], lines[2], lines[1][:20]]))
    again = Source()
    assert_complete(run(tmp_path, again))
    assert again.calls == [(4, 8)]
    last = Source()
    assert_complete(run(tmp_path, last))
    assert last.calls == []


def test_a_readable_chunk_of_other_values_is_computed_again(tmp_path):
    run(tmp_path, Source())
    np.savez(tmp_path / "rows-000000000.npz", **Source()(2, 6))
    again = Source()
    assert_complete(run(tmp_path, again))
    assert again.calls == [(0, 4)]


def test_another_key_is_refused_with_the_difference(tmp_path):
    run(tmp_path, Source())
    with pytest.raises(UserError, match="'model': 'm'.*'model': 'other'"):
        run(tmp_path, Source(), {"model": "other"})


def test_keys_survive_json(tmp_path):
    run(tmp_path, Source(), {"shape": (1, 2)})
    assert json.loads((tmp_path / "key.json").read_text())["shape"] == [1, 2]
    run(tmp_path, Source(), {"shape": (1, 2)})


def test_digests_see_order_boundaries_and_shapes(tmp_path):
    assert text_digest(["ab", "c"]) != text_digest(["a", "bc"])
    assert text_digest(["a", "b"]) != text_digest(["b", "a"])
    x = np.arange(6)
    assert array_digest(x) != array_digest(x.reshape(2, 3))
    assert array_digest(x) != array_digest(x.astype(np.int32))
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_digest(tmp_path / "f").startswith("ba7816bf8f01cfea414140de5dae2223")
