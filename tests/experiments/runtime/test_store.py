"""Oracle: the same rows computed at once; what was written comes back."""

import numpy as np
import pytest

from experiments.runtime.errors import UserError
from experiments.runtime.store import Store


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


def run(folder, source, key=None, said=None, **kwargs):
    store = Store(folder, (said if said is not None else []).append)
    return store.rows(key or {"model": "m"}, 10, source, chunk_rows=4, **kwargs)


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


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
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
    else:
        path.unlink()
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


def test_rows_of_other_inputs_are_computed_again_and_that_is_said(tmp_path):
    run(tmp_path, Source())
    again, said = Source(), []
    assert_complete(run(tmp_path, again, {"model": "other"}, said))
    assert again.calls == [(0, 4), (4, 8), (8, 10)]
    assert len(said) == 3 and "other inputs" in said[0]


def test_inputs_survive_json(tmp_path):
    run(tmp_path, Source(), {"shape": (1, 2)})
    again = Source()
    run(tmp_path, again, {"shape": [1, 2]})
    assert again.calls == []


@pytest.mark.parametrize("right", [None, np.array([True, False])])
def test_parts_come_back_as_they_were_computed(tmp_path, right):
    row = {"method": "f-norm+mp_gauss@skhubness-0.30", "seed": 2, "query": {"skewness": 0.1}}
    part = {"row": row, "counts": np.arange(3), "pair": (1, float("nan"))}
    part |= {} if right is None else {"right": right}
    store = Store(tmp_path)
    for found in (store.part("a", 1, lambda: part), store.part("a", 1, dict), store.read("a")):
        assert found["row"] == row and found["pair"][0] == 1 and np.isnan(found["pair"][1])
        np.testing.assert_array_equal(found["counts"], np.arange(3))
        assert ("right" in found) == (right is not None)
    with pytest.raises(UserError, match="b.npz is missing"):
        store.read("b")


def test_twenty_flipped_bytes_are_noticed_twenty_times(tmp_path):
    """Flipped where a reader looks: an archive's directory repeats some of its headers."""
    store = Store(tmp_path)
    part = {"x": np.random.default_rng(0).normal(size=200), "values": list(range(50))}
    store.part("a", 1, lambda: part)
    path, rng = tmp_path / "a.npz", np.random.default_rng(1)
    whole = path.read_bytes()
    for _ in range(20):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            found = store.read("a")
        except UserError as error:
            assert "damaged" in str(error)
        else:
            np.testing.assert_array_equal(found["x"], part["x"])
            assert found["values"] == part["values"]
