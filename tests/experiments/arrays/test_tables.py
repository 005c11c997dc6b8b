"""Matrices in tables. Oracle: the text written here, and pyarrow's own files."""

import weakref

import numpy as np
import pytest

from experiments import arrays
from experiments.arrays import tables, word2vec
from experiments.arrays.numbers import gathered
from experiments.runtime.errors import UserError

MATRIX = np.array([[0.5, -1.25], [2.0, 3.5], [1e6 + 0.5, 7.0]])
LINES = [f"{a!r},{b!r}" for a, b in MATRIX.tolist()]


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("header", [[], ["x,y"], ["0,1"]])
def test_comma_separated_rows_with_and_without_a_header(tmp_path, header):
    found = arrays.read_matrix(write(tmp_path / "x.csv", header + LINES))
    np.testing.assert_array_equal(found, MATRIX)


def test_tabs_a_byte_order_mark_and_quotes(tmp_path):
    lines = ['\ufeff"x"\t"y"', *(line.replace(",", "\t") for line in LINES)]
    np.testing.assert_array_equal(arrays.read_matrix(write(tmp_path / "x.TSV", lines)), MATRIX)


def test_many_blocks_of_rows(tmp_path):
    wide = np.random.default_rng(0).normal(size=(9_000, 2))
    np.savetxt(tmp_path / "x.csv", wide, delimiter=",", fmt="%.17g")
    np.testing.assert_array_equal(arrays.read_matrix(str(tmp_path / "x.csv")), wide)


def _wide_file(path, wide):
    """`wide` in the format that the suffix of `path` names."""
    names = [f"c{i}" for i in range(wide.shape[1])]
    if path.suffix == ".parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        lists = pa.FixedSizeListArray.from_arrays(pa.array(wide.ravel()), wide.shape[1])
        table = {"x": lists} if path.stem == "lists" else dict(zip(names, wide.T, strict=True))
        pq.write_table(pa.table(table), path)
    elif path.suffix == ".vec":
        path.write_text(
            "".join(f"w{i} {' '.join(map(repr, r))}\n" for i, r in enumerate(wide.tolist()))
        )
    else:
        lines = [",".join(names), *(",".join(map(repr, row)) for row in wide.tolist())]
        write(path, [line.replace(",", "," if path.suffix == ".csv" else "\t") for line in lines])


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.vec", "lists.parquet", "columns.parquet"])
def test_a_block_has_few_cells_however_wide_the_rows(tmp_path, monkeypatch, name):
    """At most the stated cells of 100 rows of 16 are held at once beside the result."""
    wide = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    _wide_file(tmp_path / name, wide)
    sizes, alive = [], []

    def watched(blocks):
        for block in blocks:
            assert sum(ref() is not None for ref in alive) <= 1  # the one that was asked for before
            alive.append(weakref.ref(block))
            sizes.append(block.size)
            yield block

    monkeypatch.setattr(tables, "_BLOCK_CELLS", 64)
    for module in (tables, word2vec):
        monkeypatch.setattr(module, "gathered", lambda blocks: gathered(watched(blocks)))
    np.testing.assert_array_equal(arrays.read_matrix(str(tmp_path / name)), wide)
    assert max(sizes) == 64 and len(sizes) == 25


def test_blocks_of_longer_and_longer_text_are_kept_whole():
    words = [np.array(["a", "bb"]), np.array(["cccc"]), np.array(["d"])]
    np.testing.assert_array_equal(gathered(words), ["a", "bb", "cccc", "d"])
    assert gathered([]) is None


def test_labels_in_a_column_are_no_coordinate(tmp_path):
    numbered = [f"{label},{line}" for label, line in zip((2, 1, 2), LINES, strict=True)]
    path = write(tmp_path / "x.csv", ["label,x,y", *numbered])
    labels = f"{path}:label"
    np.testing.assert_array_equal(arrays.read_matrix(path, labels=labels), MATRIX)
    np.testing.assert_array_equal(arrays.read_labels(labels), [1, 0, 1])
    with pytest.raises(UserError, match="column 'label' holds no coordinates; give .*:label"):
        arrays.read_matrix(path)
    named = [f"{label},{line}" for label, line in zip("bab", LINES, strict=True)]
    path = write(tmp_path / "y.csv", ["topic,x,y", *named])
    np.testing.assert_array_equal(arrays.read_matrix(path), MATRIX)
    np.testing.assert_array_equal(arrays.read_labels(f"{path}:topic"), [1, 0, 1])


def test_a_column_that_numbers_the_rows_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", [",a,b", *(f"{i},{line}" for i, line in enumerate(LINES))])
    with pytest.raises(UserError, match="column '' numbers the rows; remove it"):
        arrays.read_matrix(path)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__", "number"])
def test_an_index_in_any_order_is_no_coordinate(tmp_path, name):
    """Rows of a data frame that was shuffled: their numbers are 80 times as wide as the rest."""
    order = np.random.default_rng(0).permutation(20)
    rows = [f"{i},{i / 7},{i % 3}.5" for i in order]
    path = write(tmp_path / "x.csv", [f"{name},0,1", *rows])
    with pytest.raises(UserError, match=f"column '{name}' numbers the rows; remove it"):
        arrays.read_matrix(path)
    # Ranks are whole numbers in any order, in every column.
    path = write(tmp_path / "y.csv", ["a,b", *(f"{i},{19 - i}" for i in order)])
    assert arrays.read_matrix(path).shape == (20, 2)


@pytest.mark.parametrize("gap", ["", "NA", "NaN", "null"])
def test_a_gap_in_the_first_row_is_a_gap(tmp_path, gap):
    """It made its column one of text, or its row the header: they were gone without a word."""
    for header in (["a,b"], [",b"], []):
        path = write(tmp_path / "x.csv", [*header, f"{gap},1.5", "2.5,3.5", "4.5,6.5"])
        with pytest.raises(UserError, match="no number|NaN|numbers the rows"):
            arrays.read_matrix(path)
    words = write(tmp_path / "words.csv", ["word,x", f"{gap},1.5", "cat,2.5"])
    np.testing.assert_array_equal(arrays.read_matrix(words), [[1.5], [2.5]])


@pytest.mark.parametrize(
    "lines, message",
    [
        (["x,y", "1,2", "3"], "line 3: 1 columns, but 2 before"),
        (["x,y", "1,2", "3,", "4,5"], "row 1 counted from 0: '' is no number"),
        (["x,y", "1,2", "nan,2"], "1 rows are NaN or infinite, the first is 1"),
        (["x,x", "1,2"], "two columns have one name"),
        ([""], "is empty"),
        (["a,b", "c,d"], "matrix of numbers"),
        (["a,b"], "has no rows below its header"),
        (["the,0.5", "1,2"], "first line may name the columns or be a row"),
        (["1;2", "3;4"], "columns are separated by ';'; accepted are commas"),
    ],
)
def test_malformed_tables_are_one_clear_error(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        arrays.read_matrix(write(tmp_path / "x.csv", lines) + (":a" if "c,d" in lines else ""))


@pytest.mark.parametrize("name, cells", [("x.csv", ";"), ("x.csv", "\t")])
def test_commas_of_decimals_are_no_columns(tmp_path, name, cells):
    rows = [cells.join(f"{v:.4f}".replace(".", ",") for v in row) for row in np.eye(3) - 0.13]
    with pytest.raises(UserError, match="columns are separated by .* and points in numbers"):
        arrays.read_matrix(write(tmp_path / name, rows))


@pytest.mark.parametrize("header", [[], ["3 2"]])
def test_word2vec_text(tmp_path, header):
    words = ["the", "new york", "a"]
    lines = [f"{w} {x[0]!r} {x[1]!r} " for w, x in zip(words, MATRIX.tolist(), strict=True)]
    path = write(tmp_path / "x.vec", header + lines)
    np.testing.assert_array_equal(arrays.read_matrix(path), MATRIX.astype(np.float32))
    assert arrays.load_one(f"{path}:words").tolist() == words


def test_truncated_word2vec_text(tmp_path):
    with pytest.raises(UserError, match="truncated: 1 of 3 words"):
        arrays.read_matrix(write(tmp_path / "x.vec", ["3 2", "the 1 2"]))
    with pytest.raises(UserError, match="line 3: not a word and 2 numbers"):
        arrays.read_matrix(write(tmp_path / "y.vec", ["3 2", "the 1 2", "of 1"]))
    with pytest.raises(UserError, match="says 1 words, and 2 are there"):
        arrays.read_matrix(write(tmp_path / "y.vec", ["1 2", "the 1 2", "of 1 3"]))
    (tmp_path / "latin.csv").write_bytes(b"\xe9,1\n")
    with pytest.raises(UserError, match="is no text in UTF-8: .*; save it as UTF-8"):
        arrays.read_matrix(str(tmp_path / "latin.csv"))
    with pytest.raises(UserError, match="no word2vec text"):
        arrays.read_matrix(write(tmp_path / "z.txt", ["sport", "arts"]))


def test_a_matrix_as_text_does_not_lose_its_first_column_to_words(tmp_path):
    np.savetxt(tmp_path / "x.txt", MATRIX)
    with pytest.raises(UserError, match=r"no word2vec text: .* as .npy or .csv"):
        arrays.read_matrix(str(tmp_path / "x.txt"))


class TestParquet:
    @pytest.fixture
    def pq(self):
        return pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

    def table(self, pq, path, **columns):
        import pyarrow as pa

        pq.write_table(pa.table(columns), path, row_group_size=2)
        return str(path)

    @pytest.mark.parametrize("kind", ["list", "fixed"])
    def test_a_column_of_lists_is_the_matrix(self, pq, tmp_path, kind):
        import pyarrow as pa

        type = pa.list_(pa.float32()) if kind == "list" else pa.list_(pa.float32(), 2)
        vectors = pa.array(MATRIX.astype(np.float32).tolist(), type)
        path = self.table(pq, tmp_path / "x.parquet", text=["a", "b", "a"], vector=vectors)
        for reference in (path, f"{path}:vector"):
            found = arrays.read_matrix(reference)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, MATRIX.astype(np.float32))
        np.testing.assert_array_equal(arrays.read_labels(f"{path}:text"), [0, 1, 0])

    def test_numeric_columns_are_joined(self, pq, tmp_path):
        x, y = MATRIX.T.tolist()
        path = self.table(pq, tmp_path / "x.parquet", x=x, label=[1, 2, 1], y=y)
        np.testing.assert_array_equal(arrays.read_matrix(path, labels=f"{path}:label"), MATRIX)

    def test_an_index_that_pandas_tells_of_is_no_coordinate(self, pq, tmp_path):
        import pyarrow as pa

        table = pa.table({"x": MATRIX[:, 0], "y": MATRIX[:, 1], "doc": [7, 3, 5]})
        table = table.replace_schema_metadata({"pandas": '{"index_columns": ["doc"]}'})
        pq.write_table(table, tmp_path / "x.parquet")
        np.testing.assert_array_equal(arrays.read_matrix(f"{tmp_path}/x.parquet"), MATRIX)

    def test_gaps_and_uneven_lists_are_refused(self, pq, tmp_path):
        path = self.table(pq, tmp_path / "x.parquet", v=[[1.0, 2.0], [1.0]])
        with pytest.raises(UserError, match="different lengths or gaps"):
            arrays.read_matrix(path)
        path = self.table(pq, tmp_path / "y.parquet", x=[1.0, None])
        with pytest.raises(UserError, match="missing values"):
            arrays.read_matrix(path)
        (tmp_path / "z.parquet").write_bytes(b"PAR1")
        with pytest.raises(UserError, match="cannot be read as parquet"):
            arrays.read_matrix(str(tmp_path / "z.parquet"))
