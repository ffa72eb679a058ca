"""Equations of the page on the environment: what a batch costs, and how many images a second."""

from fractions import Fraction

import pytest

COSTS = [(Fraction(1, 5000), Fraction(1, 90_000)), (Fraction(1, 1000), Fraction(1, 1000))]


class Clock:
    """A machine on which a call and an image cost what they are said to cost."""

    def __init__(self, t_call: Fraction, t_image: Fraction) -> None:
        self.t_call, self.t_image = t_call, t_image
        self.seconds = Fraction(0)
        self.n_images = 0

    def call(self, batch_size: int) -> None:
        """Make one batch, image by image."""
        self.seconds += self.t_call
        for _ in range(batch_size):
            self.seconds += self.t_image
            self.n_images += 1


def counted_rate(batch_size: int, t_call: Fraction, t_image: Fraction) -> Fraction:
    """Images a second, counted over three calls."""
    clock = Clock(t_call, t_image)
    for _ in range(3):
        clock.call(batch_size)
    return clock.n_images / clock.seconds


@pytest.mark.equation("images-a-second")
@pytest.mark.parametrize(("t_call", "t_image"), COSTS)
@pytest.mark.parametrize("batch_size", [1, 4, 256])
def test_rate_is_what_a_clock_counts(batch_size, t_call, t_image):
    formula = batch_size / (t_call + batch_size * t_image)
    assert counted_rate(batch_size, t_call, t_image) == formula


@pytest.mark.equation("half-speed-batch")
@pytest.mark.parametrize(("t_call", "t_image"), COSTS)
def test_half_of_the_limit_is_reached_where_call_and_images_cost_the_same(t_call, t_image):
    half_speed_batch = t_call / t_image
    assert half_speed_batch.denominator == 1
    assert counted_rate(int(half_speed_batch), t_call, t_image) == 1 / t_image / 2
