"""Films whose digits move as told: straight, whole pixels, and back at the walls."""

import pytest
import torch

from aigc_tutorial.data import DIGIT_SIDE, moving_digits
from aigc_tutorial.data.synthetic.moving_digits import _bounce, _small_digits, _velocities


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def block_images(n=3, height=12, width=8):
    """Pictures as MNIST has them, with one rectangle of ink."""
    images = torch.full((n, 1, 28, 28), -1.0)
    images[:, :, 6 : 6 + height, 10 : 10 + width] = 1.0
    return images


def corners(frames):
    """First and last row and column with ink of each frame."""
    rows, columns = frames.amax(dim=-1), frames.amax(dim=-2)
    last = frames.shape[-1] - 1
    return torch.stack(
        [
            rows.argmax(-1),
            last - rows.flip(-1).argmax(-1),
            columns.argmax(-1),
            last - columns.flip(-1).argmax(-1),
        ]
    )


def test_a_film_is_black_and_white_and_every_frame_shows_the_whole_digit():
    films = moving_digits(block_images(), 40, rng=seeded(), n_digits=1, max_speed=2)
    assert films.shape == (40, 20, 20, 20)
    assert films.dtype == torch.float32
    assert set(films.unique().tolist()) == {0.0, 1.0}
    # 12 × 8 pixels, halved: nothing is ever cut off at a wall.
    assert (films.sum(dim=(2, 3)) == 6 * 4).all()


@pytest.mark.parametrize("max_speed", [1, 2])
def test_a_digit_moves_straight_and_turns_back_at_the_wall(max_speed):
    films = moving_digits(
        block_images(), 60, rng=seeded(), n_digits=1, max_speed=max_speed, n_frames=30
    )
    top, bottom, left, right = corners(films)
    assert (bottom - top == 5).all()
    assert (right - left == 3).all()
    for near, far in ((top, bottom), (left, right)):
        step = near.diff(dim=1)
        assert step.abs().max() == max_speed
        turns = step[:, 1:] * step[:, :-1] < 0
        at_wall = (near[:, 1:-1] < max_speed) | (far[:, 1:-1] > 19 - max_speed)
        assert turns.any()
        assert (at_wall | ~turns).all()
        # Between walls the speed stays.
        inside = (near[:, 1:-1] >= max_speed) & (far[:, 1:-1] <= 19 - max_speed)
        assert (step[:, 1:] == step[:, :-1])[inside].all()
    assert ((top.diff(dim=1) != 0) | (left.diff(dim=1) != 0)).any(dim=1).all()


def test_two_digits_share_a_frame():
    images = block_images()
    two = moving_digits(images, 50, rng=seeded(), n_digits=2)
    ink = two.sum(dim=(2, 3))
    assert ink.max() == 2 * 24
    assert 24 <= ink.min() < 48  # they overlap now and then, and ink stays ink


def test_a_small_digit_is_half_as_large_and_in_the_corner():
    images = torch.full((2, 1, 28, 28), -1.0)
    images[0, 0, 4:24, 4:24] = 1.0  # all that MNIST uses
    images[1, 0, 8:10, 20:24] = 1.0
    small, extents = _small_digits(images)
    assert small.shape == (2, DIGIT_SIDE, DIGIT_SIDE)
    assert extents.tolist() == [[10, 10], [1, 2]]
    assert small[0].all()
    assert small[1].nonzero().tolist() == [[0, 0], [0, 1]]


def test_reflection_is_a_walk_that_turns_around():
    track = _bounce(torch.tensor([[1, 0]]), torch.tensor([[2, -1]]), torch.tensor([[3, 2]]), 6)[0]
    assert track[:, 0].tolist() == [1, 3, 1, 1, 3, 1]  # 1 3 | 5 = 3 - 2 | 7 = 1 after 0 | …
    assert track[:, 1].tolist() == [0, 1, 2, 1, 0, 1]


def test_every_velocity_but_rest_is_equally_frequent():
    drawn = _velocities(24_000, 2, seeded())
    values, counts = drawn.unique(dim=0, return_counts=True)
    assert len(values) == 24
    assert drawn.abs().max() == 2
    assert ((counts - 1_000).abs() < 5 * 1_000**0.5).all()


def test_the_seed_decides_the_films():
    a, b, c = (moving_digits(block_images(), 3, rng=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_what_cannot_be_is_refused():
    images = block_images()
    with pytest.raises(ValueError, match="at least one sample"):
        moving_digits(images[:0], 1, rng=seeded())
    with pytest.raises(ValueError, match="n_frames must be at least 1, got 0"):
        moving_digits(images, 1, rng=seeded(), n_frames=0)
    with pytest.raises(ValueError, match="side is 10"):
        moving_digits(images, 1, rng=seeded(), side=10)
