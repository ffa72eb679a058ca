"""Equations of the page on the environment: what a batch costs, and how many images a second.

No clock is read: it would measure the machine. What a call does is counted instead, on the
generator of the page, and every operation and every multiplication is given a price.
"""

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from aigc_tutorial import gan

PRICES = [  # of starting an operation, and of one multiplication or addition, in seconds
    (Fraction(1, 200_000), Fraction(1, 10**10)),
    (Fraction(1, 20_000), Fraction(1, 10**8)),
]


class OperationCounter(TorchDispatchMode):
    """Counts the operations that torch starts, whatever their size."""

    def __init__(self) -> None:
        super().__init__()
        self.n_operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n_operations += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return gan.MLPGenerator()


def work_of_a_call(generator, batch_size):
    """Operations started, and multiplications and additions done, by one call."""
    z = generator.sample_latent(batch_size)
    with torch.inference_mode(), OperationCounter() as operations:
        generator(z)
    with torch.inference_mode(), FlopCounterMode(display=False) as arithmetic:
        generator(z)
    return operations.n_operations, arithmetic.get_total_flops()


def counted_rate(generator, batch_size, price_start, price_arithmetic):
    """Images a second, over three calls."""
    seconds = n_images = Fraction(0)
    for _ in range(3):
        started, done = work_of_a_call(generator, batch_size)
        seconds += price_start * started + price_arithmetic * done
        n_images += batch_size
    return n_images / seconds


def fitted(generator, prices):
    """Costs of a call and of an image, from batches of 1 and 256 as on the page."""
    seconds_1, seconds_256 = (b / counted_rate(generator, b, *prices) for b in (1, 256))
    t_image = (seconds_256 - seconds_1) / 255
    return seconds_1 - t_image, t_image


@pytest.mark.equation("images-a-second")
@pytest.mark.parametrize("prices", PRICES)
@pytest.mark.parametrize("batch_size", [1, 2, 4, 64, 256, 300])
def test_two_batches_foretell_the_rate_of_all(generator, batch_size, prices):
    t_call, t_image = fitted(generator, prices)
    formula = batch_size / (t_call + batch_size * t_image)
    assert counted_rate(generator, batch_size, *prices) == formula


@pytest.mark.equation("images-a-second")
def test_a_call_starts_as_many_operations_for_many_images_as_for_one(generator):
    """Which is why the cost of a call does not grow, and that of the images does in proportion."""
    started, done = zip(*(work_of_a_call(generator, b) for b in (1, 4, 256)), strict=True)
    assert started[0] == started[1] == started[2] > 5
    assert done == (done[0], 4 * done[0], 256 * done[0])


@pytest.mark.equation("half-speed-batch")
@pytest.mark.parametrize("batch_size", [8, 64])
def test_half_of_the_limit_is_reached_where_call_and_images_cost_the_same(generator, batch_size):
    started, done = work_of_a_call(generator, 1)
    price_start = Fraction(1, 10**6)
    prices = price_start, price_start * started / (batch_size * done)  # for this half-speed batch
    t_call, t_image = fitted(generator, prices)
    assert t_call / t_image == batch_size
    limit = 1 / t_image
    assert counted_rate(generator, batch_size, *prices) == limit / 2
    assert counted_rate(generator, batch_size // 2, *prices) < limit / 2
    assert limit * Fraction(49, 50) < counted_rate(generator, 50 * batch_size, *prices) < limit
