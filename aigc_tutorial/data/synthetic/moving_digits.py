"""Films of handwritten digits that drift through a small frame and bounce off its walls."""

import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d

from aigc_tutorial.data.checks import Samples, as_images, require_rng
from aigc_tutorial.integers import as_count

DIGIT_SIDE = 10
"""Pixels along one side of a digit in a film: half of what it measures in MNIST."""

_MNIST_SIZE = (28, 28)
_MARGIN = 4  # MNIST puts a digit of 20 × 20 pixels about the middle of 28 × 28


def moving_digits(
    images: Samples,
    n_films: int,
    *,
    rng: torch.Generator,
    n_frames: int = 20,
    side: int = 20,
    n_digits: int = 2,
    max_speed: int = 1,
) -> Float32[Tensor, "n_films n_frames side side"]:
    """Make black and white films of digits that cross each other's way.

    Every film shows ``n_digits`` digits drawn from ``images``, halved to 10 × 10 pixels and
    rounded to black and white. Each moves by a whole number of pixels a frame, down or up by 0 to
    ``max_speed`` and to the side as well, but never stands still; where its ink would leave the
    frame it is reflected. Where digits overlap there is ink if one of them has any.

    So two frames of a digit that is alone tell all that follow, and nothing but an overlap hides
    something. The idea is that of Moving MNIST (Srivastava, Mansimov, Salakhutdinov 2015), whose
    frames are 64 × 64.

    Args:
        images: digits (M, 1, 28, 28) in [-1, 1], as :func:`aigc_tutorial.data.mnist` has them.
            Films of digits that a model has not seen need images that it has not seen.
        n_films: number of films.
        rng: draws the digits, where they begin, and how they move.
        n_frames: T, frames of a film.
        side: height and width of a frame in pixels.
        n_digits: digits in a film.
        max_speed: largest speed along each axis, in pixels a frame.

    Returns:
        1 where there is ink, 0 elsewhere.

    Raises:
        ValueError: if there are no images or they have another size, a count is no whole number
            of at least 1, or a digit would have no room to move.
    """
    require_rng(rng)
    images = as_images(images).cpu()
    if images.shape[1:] != (1, *_MNIST_SIZE):
        raise ValueError(
            f"images must be grey digits of 28 × 28 pixels, (M, 1, 28, 28), got "
            f"{tuple(images.shape)}; data.mnist has them so"
        )
    for count, name in (
        (n_films, "n_films"),
        (n_frames, "n_frames"),
        (n_digits, "n_digits"),
        (max_speed, "max_speed"),
        (side, "side"),
    ):
        as_count(count, name)
    if side < DIGIT_SIDE + max_speed:
        raise ValueError(
            f"side is {side}; digits of {DIGIT_SIDE} pixels that move by up to {max_speed} need at "
            f"least {DIGIT_SIDE + max_speed}"
        )
    which = torch.randint(len(images), (n_films * n_digits,), generator=rng, device="cpu")
    digits, extents = _small_digits(images[which])
    room = side - extents
    starts = (
        torch.rand(room.shape, generator=rng, dtype=torch.float32, device="cpu") * (room + 1)
    ).long()
    tracks = _bounce(starts, _velocities(len(room), max_speed, rng), room, n_frames)
    films = _paste(digits, tracks, side)
    return films.view(n_films, n_digits, n_frames, side, side).amax(dim=1)


def _small_digits(
    images: Float32[Tensor, "K 1 28 28"],
) -> tuple[Float32[Tensor, "K 10 10"], Int64[Tensor, "K 2"]]:
    """Digits of half the size with their ink in the upper left corner, and its height and width."""
    cropped = images[:, 0, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    small = (avg_pool2d(cropped, 2) > 0).float()
    rows, columns = small.amax(dim=2), small.amax(dim=1)
    first = torch.stack([rows.argmax(dim=1), columns.argmax(dim=1)], dim=1)
    last = DIGIT_SIDE - torch.stack([rows.flip(1).argmax(1), columns.flip(1).argmax(1)], dim=1)
    shift = (torch.arange(DIGIT_SIDE, device="cpu") + first[:, :, None]) % DIGIT_SIDE
    small = small.gather(1, shift[:, 0, :, None].expand(-1, -1, DIGIT_SIDE))
    return small.gather(2, shift[:, 1, None].expand(-1, DIGIT_SIDE, -1)), last - first


def _velocities(n: int, max_speed: int, rng: torch.Generator) -> Int64[Tensor, "n 2"]:
    """Pixels a frame down and to the right, each pair but (0, 0) with the same probability."""
    width = 2 * max_speed + 1
    still = width**2 // 2
    drawn = torch.randint(width**2 - 1, (n,), generator=rng, device="cpu")
    drawn += drawn >= still
    return torch.stack([drawn // width, drawn % width], dim=1) - max_speed


def _bounce(
    starts: Int64[Tensor, "K 2"],
    velocities: Int64[Tensor, "K 2"],
    room: Int64[Tensor, "K 2"],
    n_frames: int,
) -> Int64[Tensor, "K T 2"]:
    """Positions between 0 and ``room``: a straight line, folded at both ends."""
    straight = starts[:, None] + velocities[:, None] * torch.arange(n_frames, device="cpu")[:, None]
    period = 2 * room[:, None]
    folded = straight % period
    return torch.minimum(folded, period - folded)


def _paste(
    digits: Float32[Tensor, "K 10 10"], tracks: Int64[Tensor, "K T 2"], side: int
) -> Float32[Tensor, "K T side side"]:
    """Put a digit's upper left corner where its track is; its empty rest is cut at the frame."""
    n, n_frames, _ = tracks.shape
    canvas = digits.new_zeros(n, n_frames, side + DIGIT_SIDE, side + DIGIT_SIDE)
    offsets = torch.arange(DIGIT_SIDE, device="cpu")
    rows = (tracks[:, :, 0, None] + offsets)[..., :, None]
    columns = (tracks[:, :, 1, None] + offsets)[..., None, :]
    film = torch.arange(n, device="cpu")[:, None, None, None]
    frame = torch.arange(n_frames, device="cpu")[:, None, None]
    canvas[film, frame, rows, columns] = digits[:, None]
    return canvas[:, :, :side, :side]
