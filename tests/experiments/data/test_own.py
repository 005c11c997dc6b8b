"""Images of one's own. Oracles: the arrays that were written, and Pillow's own resizing."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments import data
from experiments.data import pictures
from experiments.data.splits import seeded
from experiments.runtime.errors import UserError
from experiments.runtime.settings import read


def write(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def colour():
    """Twelve images of 6×6 in colour."""
    return np.random.default_rng(0).integers(0, 256, (12, 6, 6, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, colour):
    for i, image in enumerate(colour):
        write(tmp_path / "set" / ("cat", "dog")[i % 2] / f"{i:02}.png", image)
    (tmp_path / "set" / ".hidden").mkdir()
    write(tmp_path / "set" / ".hidden" / "x.png", colour[0])
    (tmp_path / "set" / "notes.txt").write_text("no image")
    return tmp_path / "set"


def whole(source):
    """Every code and label of both splits."""
    taken = [split.take(np.arange(split.size)) for split in (source.train, source.test)]
    return tuple(np.concatenate([one[name] for one in taken]) for name in ("codes", "label"))


def load(path, **wanted):
    given = {"name": "images", "path": str(path), "size": 0, "test_share": 0.4} | wanted
    return data.read(read(data.Wanted, given, "data."))


def same(codes, images):
    """Whether both hold the same images in any order."""
    return sorted(map(bytes, codes)) == sorted(map(bytes, np.ascontiguousarray(images)))


def test_a_folder_comes_back_with_its_subfolders_as_classes(folder, colour):
    source = load(folder)
    codes, label = whole(source)
    assert same(codes, colour) and source.shape == (6, 6, 3) and source.num_classes == 2
    assert (source.train.size, source.test.size) == (8, 4)
    place = {bytes(image): i for i, image in enumerate(colour)}
    np.testing.assert_array_equal(label, [place[bytes(one)] % 2 for one in codes])
    # A tenth by class of each; the same for a seed, and another for another.
    assert load(folder).sha256 == source.sha256 != load(folder, split_seed=1).sha256


def test_a_changed_pixel_or_option_changes_the_digest(folder, colour):
    before = {load(folder, size=s, crop=c).sha256 for s in (0, 3) for c in ("centre", "stretch")}
    write(folder / "cat" / "00.png", 255 - colour[0])
    after = {load(folder, size=s, crop=c).sha256 for s in (0, 3) for c in ("centre", "stretch")}
    assert len(before | after) == 8


def test_train_and_test_folders_are_the_splits(tmp_path, colour):
    for i, image in enumerate(colour):
        write(tmp_path / ("train", "val")[i >= 8] / "one" / f"{i}.png", image)
    source = load(tmp_path)
    assert same(source.test.take(np.arange(4))["codes"], colour[8:]) and source.num_classes == 1
    assert load(tmp_path, split="seeded").sha256 != source.sha256


def test_a_file_names_the_test_images(folder, tmp_path, colour):
    names = [f"{('cat', 'dog')[i % 2]}/{i:02}.png" for i in (0, 3, 5, 8)]
    (tmp_path / "test.txt").write_text("\n".join(names) + "\n\n")
    source = load(folder, split=f"file:{tmp_path / 'test.txt'}")
    assert same(source.test.take(np.arange(4))["codes"], colour[[0, 3, 5, 8]])
    (tmp_path / "test.txt").write_text("cat/77.png")
    with pytest.raises(UserError, match=r"names cat/77.png, which is no image; .*cat/00.png"):
        load(folder, split=f"file:{tmp_path / 'test.txt'}")


def test_resizing_and_cropping_are_pillow_s(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(10):
        write(tmp_path / f"{i}.png", rng.integers(0, 256, (5 + i, 12, 3)).astype(np.uint8))
    first = Image.open(tmp_path / "0.png")
    stretched = np.asarray(first.resize((4, 4), Image.Resampling.LANCZOS))
    codes = whole(load(tmp_path, size=4, crop="stretch"))[0]
    assert bytes(stretched) in map(bytes, codes)
    # The centre: 5 of the 12 columns, then both sides to 4.
    box = (3.5, 0, 8.5, 5)
    cropped = first.resize((4, 4), Image.Resampling.LANCZOS, box)
    codes = whole(load(tmp_path, size=4))[0]
    assert bytes(np.asarray(cropped)) in map(bytes, codes)
    with pytest.raises(UserError, match="0.png.*12×5, not square"):
        load(tmp_path, size=4, crop="none")
    with pytest.raises(UserError, match="several sizes need one"):
        load(tmp_path)


def test_grey_stays_grey_and_transparent_parts_lie_on_white(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (12, 5, 5)).astype(np.uint8)
    for i, image in enumerate(grey):
        write(tmp_path / f"{i:02}.png", image)
    source = load(tmp_path)
    assert source.shape == (5, 5, 1) and same(whole(source)[0], grey[..., None])
    clear = np.zeros((5, 5, 4), np.uint8)
    clear[0, 0] = 10, 20, 30, 255
    write(tmp_path / "clear.png", clear)
    codes = whole(load(tmp_path))[0]
    shown = next(one for one in codes if tuple(one[0, 0]) == (10, 20, 30))
    assert codes.shape[1:] == (5, 5, 3) and (shown[1:] == 255).all()
    np.testing.assert_array_equal(
        np.unique(whole(load(tmp_path, channels=1))[0][..., 0]).max(), 255
    )


def test_images_that_do_not_fit_in_memory_are_decoded_alike(folder, monkeypatch):
    kept = whole(load(folder, size=4))
    monkeypatch.setattr(pictures, "KEPT_BYTES", 0)
    for one, other in zip(kept, whole(load(folder, size=4)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_parquet_of_hugging_face_comes_back(tmp_path, folder, colour):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    content = [(folder / ("cat", "dog")[i % 2] / f"{i:02}.png").read_bytes() for i in range(12)]
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    rows = {
        "image": [{"bytes": one, "path": None} for one in content],
        "label": [i % 2 for i in range(12)],
        "part": ["train"] * 7 + ["validation"] * 5,
    }
    table = pa.table(rows).replace_schema_metadata({"huggingface": json.dumps(names)})
    pq.write_table(table, tmp_path / "all.parquet")
    (tmp_path / "split").mkdir()
    pq.write_table(table.slice(0, 8), tmp_path / "split" / "train-00000-of-00001.parquet")
    pq.write_table(table.slice(8), tmp_path / "split" / "test-00000-of-00001.parquet")
    one = load(tmp_path / "all.parquet", split="column:part")
    assert same(one.test.take(np.arange(5))["codes"], colour[7:]) and one.num_classes == 2
    two = load(tmp_path / "split")
    assert same(two.test.take(np.arange(4))["codes"], colour[8:])
    np.testing.assert_array_equal(two.test.take(np.arange(4))["label"], [0, 1, 0, 1])
    with pytest.raises(UserError, match="Did you mean 'part'"):
        load(tmp_path / "all.parquet", split="column:parts")


def test_arrays_of_codes_come_back(tmp_path):
    rng = np.random.default_rng(0)
    codes, label = rng.integers(0, 17, (20, 8, 8)), np.arange(20) % 3 + 5
    np.savez(tmp_path / "set.npz", images=codes, labels=label)
    np.save(tmp_path / "bare.npy", codes[..., None].astype(np.uint8))
    source = load(tmp_path / "set.npz", levels=17)
    found, classes = whole(source)
    assert source.levels == 17 and source.shape == (8, 8, 1) and source.num_classes == 3
    assert same(found, codes[..., None]) and set(classes) == {0, 1, 2}
    assert load(tmp_path / "bare.npy").levels == 256
    np.savez(tmp_path / "keras.npz", x_train=codes[:15], x_test=codes[15:], y_train=label[:15])
    np.testing.assert_array_equal(
        load(tmp_path / "keras.npz").test.take(np.arange(5))["codes"][..., 0], codes[15:]
    )


def test_a_seeded_split_takes_a_share_of_each_class():
    label = np.repeat([0, 1, 2], [50, 10, 1])
    chosen = seeded(label, 0.2, 0)
    np.testing.assert_array_equal(np.bincount(label[chosen], minlength=3), [10, 2, 0])


@pytest.mark.parametrize(
    "name, content, wanted, message",
    [
        ("none", None, {}, "there is nothing there; accepted: a folder of images"),
        ("set", {}, {}, "holds no images"),
        ("x.npy", np.zeros((9, 4, 4)), {}, "codes are integers"),
        ("x.npy", np.full((9, 4, 4), 300), {}, "codes from 300 to 300.*levels=301"),
        ("x.npy", np.zeros((9, 4, 4), int), {"size": 8}, "codes are not resized"),
        ("x.npy", np.zeros((5, 4, 4), int), {}, "at least 4 of each"),
        ("x.npz", {"mask": np.zeros(3)}, {}, "holds mask; codes are called"),
        ("x.txt", "text", {}, "is none of: a folder"),
        ("set", {}, {"crop": "center"}, "Did you mean 'centre'"),
        (
            "set",
            {},
            {"split": "column"},
            "split='column'; accepted is nothing or seeded",
        ),
        ("set", {}, {"test_share": 1.0}, r"accepted is a finite number in \(0, 1\)"),
        ("set", {}, {"size": 100_000}, "accepted is an integer ≥ 0, at most 4,096"),
        ("set", {}, {"channels": 4}, "accepted is 0 or 1 or 3"),
        ("set", {}, {"levels": 1}, "accepted is 0, or an integer ≥ 2, at most 65,536"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, name, content, wanted, message):
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix:
        path.write_text(content)
    elif content is not None:
        path.mkdir()
    with pytest.raises(UserError, match=message):
        load(path, **wanted)


def test_a_damaged_image_and_one_of_16_bits_are_named(folder, colour):
    (folder / "cat" / "00.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(UserError, match="cat/00.png cannot be read as an image: it is no image"):
        load(folder)
    good = write(folder / "cat" / "00.png", colour[0]).read_bytes()
    (folder / "cat" / "00.png").write_bytes(good[:-40])
    with pytest.raises(UserError, match="cat/00.png cannot be read as an image"):
        load(folder)
    write(folder / "cat" / "00.png", np.full((6, 6), 60_000, np.uint16))
    with pytest.raises(UserError, match="cat/00.png.* more than 8 bits a channel"):
        load(folder)
