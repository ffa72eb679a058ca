"""Messages of the checks that every evaluation makes."""

import math

import pytest
import torch

from aigc_tutorial.data.checks import (
    require_finite,
    require_same_length,
    require_same_shape,
    require_samples,
)


def test_finite():
    require_finite(torch.zeros(3, 2), "x")
    bad = torch.tensor([0.0, math.nan, math.inf, -math.inf])
    with pytest.raises(ValueError, match="x holds 3 entries that are NaN or infinite, out of 4"):
        require_finite(bad, "x")


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
