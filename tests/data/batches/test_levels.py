"""Grey levels: there and back, thresholds, draws with the right frequency."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data.batches.levels import BinarisedBatches, binarise, dequantise, quantise
from aigc_tutorial.data.batches.rows import ShuffledBatches, ShuffledTuples
from aigc_tutorial.data.images import pixels_to_images


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(st.integers(2, 256))
def test_every_level_comes_back(n_levels):
    levels = torch.arange(n_levels)
    images = dequantise(levels, n_levels)
    assert images[0] == -1
    assert images[-1] == 1
    assert torch.equal(quantise(images, n_levels), levels)


@given(st.integers(2, 256))
def test_no_nearer_level_exists(n_levels):
    pixels = pixels_to_images(torch.arange(256).to(torch.uint8))
    error = (dequantise(quantise(pixels, n_levels), n_levels) - pixels).abs()
    assert error.max() <= 1 / (n_levels - 1) + 1e-6


def test_two_levels_are_a_threshold_at_zero():
    images = torch.tensor([-3.0, -1.0, -0.01, 0.0, 0.01, 1.0, 3.0])
    assert quantise(images, 2).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_256_levels_are_the_pixels():
    pixels = torch.arange(256)
    assert torch.equal(quantise(pixels_to_images(pixels.to(torch.uint8)), 256), pixels)


def test_drawn_pixels_have_the_grey_values_as_their_mean():
    images = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]).expand(20_000, 5)
    mean = binarise(images, rng=seeded()).double().mean(0)
    expected = torch.tensor([0, 0.25, 0.5, 0.75, 1]).double()
    # Four standard errors; the two ends are exact.
    bound = 4 * (expected * (1 - expected) / 20_000).sqrt()
    assert ((mean - expected).abs() <= bound).all()


def test_one_seed_is_one_data_set():
    images = torch.rand(10, 4, 4, generator=seeded()) * 2 - 1
    fixed = binarise(images, rng=seeded(1))
    assert torch.equal(fixed, binarise(images, rng=seeded(1)))
    assert not torch.equal(fixed, binarise(images, rng=seeded(2)))


def grey_batches(seed):
    images, labels = torch.tensor([-0.5, 0.5]).expand(8, 4, 2), torch.arange(8)
    shuffled = ShuffledTuples((images, labels), 8, rng=seeded(seed))
    return BinarisedBatches(shuffled, rng=seeded(seed + 1))


def test_every_epoch_draws_anew_and_keeps_the_labels():
    batches = iter(grey_batches(0))
    first, first_labels = next(batches)
    second, second_labels = next(batches)
    assert first_labels.sort().values.tolist() == list(range(8))
    assert not torch.equal(first[first_labels.argsort()], second[second_labels.argsort()])


def test_batches_of_images_alone_are_binarised_as_those_with_labels():
    images, labels = torch.rand(20, 8, 8, generator=seeded()) * 2 - 1, torch.arange(20)
    alone = BinarisedBatches(ShuffledBatches(images, 4, rng=seeded(1)), rng=seeded(2))
    with_labels = BinarisedBatches(
        ShuffledTuples((images, labels), 4, rng=seeded(1)), rng=seeded(2)
    )
    for _ in range(6):
        images_alone = next(alone)
        assert isinstance(images_alone, torch.Tensor)
        assert torch.equal(images_alone, next(with_labels)[0])


def test_a_restored_stream_goes_on_with_the_same_batches():
    batches, other = grey_batches(0), grey_batches(5)
    next(batches)
    other.load_state_dict(batches.state_dict())
    for _ in range(3):
        for part, same in zip(next(batches), next(other), strict=True):
            assert torch.equal(part, same)


def test_impossible_levels_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        quantise(torch.zeros(3), 1)
    with pytest.raises(ValueError, match=r"expected levels 0 … 7, got 0 … 8"):
        dequantise(torch.tensor([0, 8]), 8)
