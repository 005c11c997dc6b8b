"""Entries of a comparison. Oracle: the arrays that were written, and the errors promised."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.arrays import save
from experiments.compare import tables
from experiments.compare.entries import align, read_entries, shared_labels
from experiments.runtime.errors import UserError

R = np.random.default_rng(0)
F, G, B = (R.normal(size=shape).astype(np.float32) for shape in ((20, 3), (7, 3), (7,)))


def names(folder, *references):
    return [e.name for e in read_entries([f"{folder}/{reference}" for reference in references])]


def test_names_are_the_shortest_ends_that_tell_paths_apart(tmp_path):
    for folder in ("s0", "s1", "a/s0"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("final.npz", "other.npz", "final.safetensors"):
            save(tmp_path / folder / name, {"f": F, "g": G})
    assert names(tmp_path, "s0/final.npz", "s1/final.npz") == ["s0/final", "s1/final"]
    assert names(tmp_path, "s0/final.npz", "s1/other.npz") == ["final", "other"]
    found = names(tmp_path, "s0/final.npz", "s0/final.safetensors")
    assert found == ["final.npz", "final.safetensors"]
    found = names(tmp_path, "s0/final.npz", "a/s0/final.npz")
    assert found == [f"{tmp_path.name}/s0/final", "a/s0/final"]


def test_pairs_of_npy_files_and_bfloat16(tmp_path):
    np.save(tmp_path / "rep0.npy", F)
    np.save(tmp_path / "rep1.npy", F.astype(jnp.bfloat16))
    save(tmp_path / "half.safetensors", {"f": F.astype(jnp.bfloat16), "g": G.astype(jnp.bfloat16)})
    one, two, half = read_entries(
        [f"{tmp_path}/{n}" for n in ("rep0.npy", "rep1.npy", "half.safetensors")]
    )
    assert (one.name, two.name, half.name) == ("rep0", "rep1", "half")
    np.testing.assert_array_equal(one.f, F)
    np.testing.assert_array_equal(two.f, F.astype(jnp.bfloat16).astype(np.float32))
    assert half.g.dtype == np.float32


def test_tables_and_word_vectors_are_entries_matched_by_their_ids(tmp_path):
    """`compare x.npy moved.csv` was refused: a table also holds each of its columns."""
    order = np.arange(20)[::-1]
    np.savetxt(tmp_path / "bare.csv", F, delimiter=",", fmt="%.9g")
    rows = [f"{i},{','.join(f'{v:.9g}' for v in F[i])}" for i in order]
    (tmp_path / "named.csv").write_text("\n".join(["ids,a,b,c", *rows]))
    words = [f"{i} {' '.join(f'{v:.9g}' for v in F[i])}" for i in range(20)]
    (tmp_path / "words.vec").write_text("\n".join(["20 3", *words]))
    bare, named, by_word = read_entries(
        [f"{tmp_path}/{n}" for n in ("bare.csv", "named.csv", "words.vec")]
    )
    assert [e.name for e in (bare, named, by_word)] == ["bare", "named", "words"]
    np.testing.assert_allclose(bare.f, F, rtol=1e-8)
    np.testing.assert_allclose(named.f, F[order], rtol=1e-8)
    np.testing.assert_array_equal(named.ids, order)
    assert list(by_word.ids) == [str(i) for i in range(20)]
    (tmp_path / "index.csv").write_text("\n".join([",0,1,2", *rows]))
    for reference in ("index.csv", "index.csv:array", "index.csv:*"):
        with pytest.raises(UserError, match="column '' numbers the rows; remove it"):
            read_entries([f"{tmp_path}/{reference}"])
    (tmp_path / "classes.csv").write_text("label,a,b\n0,1.5,2\n1,2.5,3\n")
    with pytest.raises(UserError, match="column 'label' holds no coordinates; remove it"):
        read_entries([f"{tmp_path}/classes.csv"])


def test_all_of_a_file_leaves_vectors_out(tmp_path):
    save(tmp_path / "x.npz", {"a": F, "b": F.reshape(20, 3, 1), "labels": np.arange(20)})
    assert names(tmp_path, "x.npz:*") == ["x:a", "x:b"]


def test_stacked_seeds_are_entries(tmp_path):
    save(tmp_path / "m.npz", {"f": np.stack([F, 2 * F]), "g": np.stack([G, G])})
    found = read_entries([f"{tmp_path}/m.npz"])
    assert [e.name for e in found] == ["m:0", "m:1"]
    np.testing.assert_array_equal(found[1].f, 2 * F)
    save(tmp_path / "r.npz", {"x": np.stack([F, F, F])})
    assert len(read_entries([f"{tmp_path}/r.npz"], stacked=True)) == 3
    assert read_entries([f"{tmp_path}/r.npz"])[0].f.shape == (3, 60)


def test_inputs_are_matched_by_ids(tmp_path):
    order = R.permutation(20)[:18]
    ids = np.array([f"image{i}" for i in range(20)])
    save(tmp_path / "a.npz", {"f": F, "ids": ids})
    save(tmp_path / "b.npz", {"f": F[order], "ids": ids[order]})
    (a, b), notes = align(read_entries([f"{tmp_path}/a.npz", f"{tmp_path}/b.npz"]))
    assert len(a.f) == 18
    np.testing.assert_array_equal(a.f, b.f)
    assert notes[0] == "18 inputs are matched by ids."
    assert notes[1:] == [
        "a: 2 inputs are in no other.",
        "b: inputs were in another order.",
    ]
    save(tmp_path / "c.npz", {"f": F, "ids": np.zeros(20, int)})
    with pytest.raises(UserError, match="1 different ids for 20 inputs"):
        align(read_entries([f"{tmp_path}/a.npz", f"{tmp_path}/c.npz"]))
    save(tmp_path / "d.npz", {"f": F, "ids": np.arange(20)})
    with pytest.raises(UserError, match="0 ids in common"):
        align(read_entries([f"{tmp_path}/a.npz", f"{tmp_path}/d.npz"]))
    save(tmp_path / "e.npz", {"f": F})
    notes = align(read_entries([f"{tmp_path}/a.npz", f"{tmp_path}/e.npz"]))[1]
    assert "e has no ids" in notes[0]
    assert tables.verdict({"measures": {}, "entries": ["a", "e"], "alignment": notes}).endswith(
        notes[0]
    )


def with_nan():
    f = F.copy()
    f[[2, 5], 1] = np.nan
    return f


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"f": with_nan()}, "2 of 20 rows are NaN or infinite, the first is 2"),
        ({"f": F, "g": G.T}, r"accepted is g \(labels, 3\); it is transposed"),
        ({"f": F, "g": G[:, :2]}, r"g has shape \(7, 2\) and f \(20, 3\); accepted"),
        ({"f": F, "g": G, "b": B[:5]}, r"b has shape \(5,\); accepted is \(7,\)"),
        ({"f": F, "b": B}, "a bias b but no g"),
        ({"f": F.astype(complex), "g": G}, "real numbers, not complex128"),
        ({"f": F, "g": np.stack([G, G])}, "have .* seeds on their first axes"),
        ({"f": F, "ids": np.arange(5)}, r"ids have shape \(5,\) for 20 inputs"),
    ],
)
def test_arrays_that_do_not_fit_are_one_sentence(tmp_path, arrays, message):
    save(tmp_path / "x.npz", arrays)
    with pytest.raises(UserError, match=message):
        read_entries([f"{tmp_path}/x.npz"])


def test_labels_must_be_the_same(tmp_path):
    save(tmp_path / "a.npz", {"f": F, "g": G})
    save(tmp_path / "b.npz", {"f": F, "g": G[:6]})
    with pytest.raises(UserError, match="numbers of labels: a: 7, b: 6"):
        shared_labels(read_entries([f"{tmp_path}/a.npz", f"{tmp_path}/b.npz"]))
