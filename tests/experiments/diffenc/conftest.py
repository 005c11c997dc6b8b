"""What the tests of diffenc's runs share."""

import dataclasses

import numpy as np
import pytest

from experiments.data import source, sources


@pytest.fixture(scope="module")
def few_digits():
    """The first 39 of the test images: two batches and a part, in place of 23 and a part."""
    whole = sources.DATA_SETS["digits"].read

    def first(wanted):
        found = whole(wanted)
        test = found.test.take(np.arange(39))
        return dataclasses.replace(found, test=source.in_memory(test["codes"], test["label"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sources.DATA_SETS, "digits", sources.DataSet(first))
        yield
