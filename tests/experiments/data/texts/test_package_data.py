"""Oracle: an installed package of our own dependencies."""

import pytest

from experiments.data.texts.package_data import data_path
from experiments.runtime.errors import UserError


def test_data_files_are_found_and_absent_ones_say_what_to_install():
    assert data_path("numpy", "version.py").is_file()
    with pytest.raises(UserError, match="numpy has no none.bin"):
        data_path("numpy", "none.bin")
    with pytest.raises(UserError, match="pip install --no-deps no-such-package"):
        data_path("no-such-package", "x")
