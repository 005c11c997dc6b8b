"""Oracles: a published digest, and what must differ."""

import numpy as np

from experiments.data.texts.digests import array_digest, file_digest, text_digest


def test_digests_see_order_boundaries_and_shapes(tmp_path):
    assert text_digest(["ab", "c"]) != text_digest(["a", "bc"])
    assert text_digest(["a", "b"]) != text_digest(["b", "a"])
    x = np.arange(6)
    assert array_digest(x) != array_digest(x.reshape(2, 3))
    assert array_digest(x) != array_digest(x.astype(np.int32))
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_digest(tmp_path / "f").startswith("ba7816bf8f01cfea414140de5dae2223")
