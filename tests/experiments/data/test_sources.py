"""Oracles: the packages' own arrays, files written byte by byte, and counting."""

import gzip
import struct

import numpy as np
import pytest
from sklearn.datasets import load_digits

from experiments import data
from experiments.data import tfds as tfds_module
from experiments.data.idx import FILES, halve, read_idx
from experiments.runtime.errors import UserError


def test_digits_are_scikit_learns_in_a_fixed_stratified_split():
    source = data.load("digits")
    whole = load_digits()
    train, test = (s.take(np.arange(s.size)) for s in (source.train, source.test))
    assert (source.shape, source.levels) == ((8, 8, 1), 17)
    assert (source.train.size, source.test.size) == (1438, 359)
    rows = lambda codes: sorted(map(bytes, codes.astype(np.uint8).reshape(len(codes), -1)))
    together = np.concatenate([train["codes"], test["codes"]])
    assert rows(together) == rows(whole.images)
    share = np.bincount(test["label"]) / np.bincount(whole.target)
    np.testing.assert_allclose(share, 0.2, atol=0.003)
    assert source.sha256 == data.load("digits").sha256
    assert source.sha256.startswith("81273ad1bc40b959")


def test_swirl_noise_is_drawn_for_each_point():
    source = data.load("swirl")
    codes = source.train.take(np.arange(source.train.size))["codes"].astype(float)
    assert codes.shape == (4096, 2) and codes.min() >= 0 and codes.max() <= 255
    centred = codes / 4 - 30
    radius, angle = np.hypot(*centred.T), np.arctan2(centred[:, 1], centred[:, 0])
    # On the curve, radius = 2θ + π with θ = angle up to full turns; noise has deviation 1/4.
    turns = np.round(((radius - np.pi) / 2 - angle) / (2 * np.pi))
    residual = radius - (2 * (angle + 2 * np.pi * turns) + np.pi)
    inside = np.abs(residual) < 2
    assert 0.2 < np.std(residual[inside]) < 0.6


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(header + array.tobytes())


@pytest.fixture
def idx_folder(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, (images, labels) in FILES.items():
        n = 20 if split == "train" else 10
        arrays[split] = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        write_idx(tmp_path / f"{images}.gz", arrays[split])
        write_idx(tmp_path / labels, np.arange(n).astype(np.uint8) % 10)
    return tmp_path, arrays


def test_idx_files_come_back_and_halve_to_rounded_means(idx_folder):
    folder, arrays = idx_folder
    full = data.load("fashion_mnist", path=str(folder))
    half = data.load("fashion_mnist", path=str(folder), size=14)
    index = np.array([3, 0])
    np.testing.assert_array_equal(full.test.take(index)["codes"][..., 0], arrays["test"][index])
    blocks = arrays["test"][index].reshape(2, 14, 2, 14, 2).mean((2, 4))
    np.testing.assert_array_equal(half.test.take(index)["codes"][..., 0], np.floor(blocks + 0.5))
    assert full.sha256 != half.sha256 and half.shape == (14, 14, 1)
    assert halve(np.full((1, 2, 2), 255, np.uint8)) == 255


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\x00\x00\x08\x01\x00\x00\x00\x05abc", "shape"),
        (b"PNG", "not an idx"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "unsigned bytes"),
        (b"\x00\x00\x08\x03\x00\x00", "3 axes"),
        (b"\x00\x00\x08\xff" + bytes(1020), "255 axes"),
        (b"\x00\x00\x08\x00", "0 axes"),
    ],
)
def test_damaged_idx_files_are_one_clear_error(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_idx(tmp_path / "file")


def test_every_cut_and_changed_gzip_is_one_clear_error(idx_folder, tmp_path):
    """Case T20: 128 of 500 damaged files were a traceback."""
    whole = (tmp_path / f"{FILES['test'][0]}.gz").read_bytes()
    path, rng = tmp_path / "damaged.gz", np.random.default_rng(0)
    right = read_idx(tmp_path / f"{FILES['test'][0]}.gz")
    for position in rng.integers(len(whole), size=100):
        changed = bytearray(whole)
        changed[position] ^= 1 << rng.integers(8)
        for content in (whole[:position], bytes(changed)):
            path.write_bytes(content)
            try:
                np.testing.assert_array_equal(read_idx(path), right)  # a byte that means nothing
            except UserError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize(
    "images, labels, size, message",
    [
        ((40, 28, 28), (5,), 28, "40 images.* 5 labels"),
        ((40, 27, 28), (40,), 14, "halves images.*27, 28"),
        ((3, 28, 28), (3,), 28, "3 images; at least 4"),
        ((40, 28), (40,), 28, r"needed: images \(n, height, width\)"),
        ((40, 28, 28), (40, 1), 28, "labels"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_one_clear_error(
    idx_folder, tmp_path, images, labels, size, message
):
    """Case T20."""
    at_images, at_labels = FILES["test"]
    write_idx(tmp_path / f"{at_images}.gz", np.zeros(images, np.uint8))
    write_idx(tmp_path / at_labels, np.zeros(labels, np.uint8))
    with pytest.raises(UserError, match=message):
        data.load("fashion_mnist", path=str(tmp_path), size=size)


@pytest.mark.parametrize("name", ["digits", "swirl"])
def test_a_path_for_data_that_have_none_is_refused(name):
    """Case R19: it was accepted, and the digits were used."""
    with pytest.raises(UserError, match=f"means nothing for {name}: leave it out"):
        data.load(name, path="/x/mine.npz")


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist", "cifar10", "imagenet32_old"])
def test_absent_data_say_how_to_prepare_them(tmp_path, name):
    with pytest.raises(UserError, match="dataset-fashion-mnist|tfds build"):
        data.load(name, path=str(tmp_path))


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'digits'"):
        data.load("digit")


@pytest.fixture
def prepared_cifar10(tmp_path):
    """Ten images a split, written by TFDS as array_record without TensorFlow."""
    tfds = pytest.importorskip("tensorflow_datasets")
    from PIL import Image

    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3)).astype(np.uint8)

    class Cifar10(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("3.0.2")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            )
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(), "test": self._generate_examples()}

        def _generate_examples(self):
            for i, image in enumerate(images):
                picture = Image.fromarray(image)
                picture.format = "PNG"
                yield i, {"image": picture, "label": i}

    builder = Cifar10(data_dir=str(tmp_path), file_format="array_record")
    builder.download_and_prepare()
    return tmp_path, images


@pytest.mark.filterwarnings("ignore")
def test_tfds_array_records_are_read_without_tensorflow(prepared_cifar10, monkeypatch):
    folder, images = prepared_cifar10
    with pytest.raises(UserError, match="10 images, expected 50,000"):
        data.load("cifar10", path=str(folder))
    small = tfds_module.REGISTERED["cifar10"]._replace(train_size=10, test_size=10)
    monkeypatch.setitem(tfds_module.REGISTERED, "cifar10", small)
    source = data.load("cifar10", path=str(folder))
    batch = source.train.take(np.arange(10))
    order = batch["label"]
    np.testing.assert_array_equal(batch["codes"], images[order])
    assert len(source.sha256) == 64 and source.num_classes == 10
    own = data.read(data.Wanted(name="images", path=str(folder), size=0))
    assert (own.train.size, own.test.size, own.num_classes) == (10, 10, 10)
    batch = own.test.take(np.arange(10))
    np.testing.assert_array_equal(batch["codes"], images[batch["label"]])
