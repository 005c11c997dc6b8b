"""Oracle: what was written comes back; anything else is as if it had never been computed."""

import numpy as np
import pytest

from experiments.hubspaces import store
from experiments.hubspaces.evaluate import Outcome


@pytest.mark.parametrize("right", [None, np.array([True, False])])
def test_outcomes_come_back_and_damage_is_no_outcome(tmp_path, right):
    row = {"method": "f-norm+mp_gauss@skhubness-0.30", "seed": 2, "query": {"skewness": 0.1}}
    outcome = Outcome(row, np.arange(3), np.arange(6).reshape(3, 2), right)
    assert store.load(tmp_path / "none", row["method"], 2) is None
    store.save(tmp_path, outcome)
    found = store.load(tmp_path, row["method"], 2)
    assert found.row == row
    np.testing.assert_array_equal(found.counts, outcome.counts)
    np.testing.assert_array_equal(found.index, outcome.index)
    assert found.right is None if right is None else (found.right == right).all()
    assert store.load(tmp_path, row["method"], 1) is None
    path = store.path_of(tmp_path, row["method"], 2)
    path.write_bytes(path.read_bytes()[:200])
    assert store.load(tmp_path, row["method"], 2) is None
