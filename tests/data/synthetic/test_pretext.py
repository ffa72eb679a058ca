"""Quarter turns: undone, they give back the images, and every number of them occurs."""

import pytest
import torch

from aigc_tutorial.data.synthetic.pretext import quarter_turns


def test_turning_back_gives_the_images():
    images = torch.randn(50, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    turned, turns = quarter_turns(images, rng=torch.Generator().manual_seed(1))
    back = torch.stack([x.rot90(-int(n), (1, 2)) for x, n in zip(turned, turns, strict=True)])
    assert torch.equal(back, images)
    assert set(turns.tolist()) == {0, 1, 2, 3}


def test_one_turn_is_anticlockwise():
    corner = torch.zeros(200, 1, 3, 3)
    corner[:, :, 0, 2] = 1  # the upper right one
    turned, turns = quarter_turns(corner, rng=torch.Generator().manual_seed(2))
    assert (turned[turns == 1][:, 0, 0, 0] == 1).all()  # now the upper left one


def test_images_must_be_square():
    with pytest.raises(ValueError, match=r"square .* got \(2, 1, 3, 4\)"):
        quarter_turns(torch.zeros(2, 1, 3, 4), rng=torch.Generator())


def test_images_come_in_arrays_too():
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    both = [
        quarter_turns(form, rng=torch.Generator().manual_seed(0))
        for form in (images, images.numpy())
    ]
    for expected, found in zip(*both, strict=True):
        assert torch.equal(expected, found)
