"""Messages of the checks that every evaluation makes."""

import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from torch.nn import functional

from aigc_tutorial import data
from aigc_tutorial.data.checks import (
    as_tensor,
    require_finite,
    require_image_range,
    require_same_length,
    require_same_range,
    require_same_shape,
    require_samples,
)
from aigc_tutorial.integers import as_int64
from aigc_tutorial.viz.numbers import as_numbers


def test_finite():
    require_finite(torch.zeros(3, 2), "x")
    bad = torch.tensor([0.0, math.nan, math.inf, -math.inf])
    with pytest.raises(ValueError, match="x holds 3 entries that are NaN or infinite, out of 4"):
        require_finite(bad, "x")


def test_what_is_taken_as_a_tensor():
    rows = torch.arange(6.0).view(3, 2)
    for same in (rows, rows.numpy(), rows.tolist(), list(rows), tuple(rows.numpy())):
        assert torch.equal(as_tensor(same, "x").float(), rows)
    assert as_tensor(np.array([1], dtype=np.uint8), "x").dtype == torch.uint8
    for kind in (np.uint16, np.uint32, np.uint64):
        assert as_tensor(np.array([7], dtype=kind), "x").dtype == torch.int64
    with pytest.raises(ValueError, match=r"x below 2\^63"):
        as_tensor(np.array([2**63], dtype=np.uint64), "x")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([[1.0], [1.0, 2.0]], ValueError, "x must be equally large samples"),
        ([torch.zeros(1), torch.zeros(2)], ValueError, "x must be equally large samples"),
        (["a"], TypeError, "x must be numbers in a tensor, a NumPy array or a list"),
        ("a", TypeError, "x must be numbers in a tensor, a NumPy array or a list"),
        (np.array([1], dtype=np.longdouble), TypeError, "got a NumPy array of float128"),
        (np.ma.masked_greater(np.arange(3.0), 1), ValueError, r"x has 1 masked .*filled\(0\)"),
        (torch.eye(2).to_sparse(), ValueError, r"x must be a dense tensor, got a sparse_coo one"),
    ],
)
def test_what_is_no_tensor(wrong, error, message):
    with pytest.raises(error, match=message):
        as_tensor(wrong, "x")


def test_an_array_that_could_be_masked_and_is_not():
    assert torch.equal(as_tensor(np.ma.array([1.0, 2.0]), "x"), torch.tensor([1.0, 2.0]).double())


def test_masked_samples_in_a_list_and_masks_that_are_masked():
    masked = np.ma.array([1.0, 2.0, 99.0], mask=[False, False, True])
    with pytest.raises(ValueError, match="x has 2 masked entries"):
        as_tensor([masked, masked], "x")
    images = data.ImageDataset(
        -torch.ones(3, 1, 2, 2), torch.arange(3), data.Source("embedded", "here", "Made here.")
    )
    with pytest.raises(ValueError, match="indices has 1 masked entries"):
        images.subset(np.ma.array([True, False, True], mask=[False, False, True]))


def test_masked_labels_and_columns():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    with pytest.raises(ValueError, match="labels has 1 masked entries"):
        unwrap(as_int64)(masked, "labels")
    with pytest.raises(ValueError, match="the losses has 1 masked entries"):
        as_numbers(masked, "the losses")


def test_same_width():
    require_same_shape(torch.zeros(3, 2), torch.zeros(5, 2), "a", "b")
    with pytest.raises(ValueError, match=r"a have shape \(2,\), rows of b \(4,\)"):
        require_same_shape(torch.zeros(3, 2), torch.zeros(3, 4), "a", "b")


def test_same_length():
    require_same_length(torch.zeros(3, 2), torch.zeros(3), "images", "labels")
    with pytest.raises(ValueError, match="Got 3 images and 4 labels"):
        require_same_length(torch.zeros(3, 2), torch.zeros(4), "images", "labels")


def test_samples():
    require_samples(torch.zeros(3), 3, "x", "so it is")
    with pytest.raises(ValueError, match="x: got 2 samples, need at least 3: so it is"):
        require_samples(torch.zeros(2), 3, "x", "so it is")


class TestRange:
    """Which images lie in [-1, 1], and which in [0, 1] with a little noise below 0."""

    digits = torch.eye(8).expand(3, 1, 8, 8) * 2 - 1

    def test_images_from_0_to_1_after_resampling(self):
        grey = (self.digits + 1) / 2
        for overshoot in (0.0, 1e-6, 0.05, 0.23):
            for wrong in (grey - overshoot * (grey == 0), 0.6 * grey - overshoot * (grey == 0)):
                with pytest.raises(ValueError, match=r"2 \* images - 1"):
                    require_image_range(wrong, "images")

    def test_resampling_of_both_ends(self):
        small = functional.interpolate(
            functional.pad((self.digits + 1) / 2, (4, 4, 4, 4)), size=12, mode="bicubic"
        )
        assert small.min() < 0 < small.max()
        with pytest.raises(ValueError, match="clamped first"):
            require_image_range(small, "images")
        require_image_range((2 * small - 1).clamp(-1, 1), "images")

    def test_what_lies_in_the_range(self):
        for right in (
            self.digits,
            -self.digits,
            self.digits * 0.1,  # what an untrained generator makes: near 0, on both its sides
            self.digits.clamp(max=-0.2),
            self.digits * 1.0005,
        ):
            require_image_range(right, "images")

    def test_two_ranges(self):
        grey = (self.digits + 1) / 2
        for other in (grey, grey - 1e-6, 255 * grey - 20):
            require_same_range(grey, other, "a", "b")
            for pair in ((self.digits, other), (other, self.digits)):
                with pytest.raises(ValueError, match="both must have one range"):
                    require_same_range(*pair, "a", "b")
        require_same_range(self.digits, 0.1 * self.digits, "a", "b")
