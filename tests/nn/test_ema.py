"""The average against its definition."""

from typing import Any

import pytest
import torch
from torch import nn

from aigc_tutorial.nn import EMA


def constant_model(value):
    model = nn.Linear(2, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model


def test_influence_of_the_start_halves_with_each_half_life():
    ema = EMA(constant_model(1.0), half_life=1_000, ramp_up=float("inf"))
    ema.n_seen = 1  # past the first update, which copies
    zero = constant_model(0.0)
    for _ in range(20):
        ema.update(zero, 100)
    assert ema.model.weight.detach() == pytest.approx(torch.full((2, 2), 0.25), rel=1e-5)


def test_batch_size_does_not_change_the_memory():
    averages = []
    for batch_size in (10, 50):
        ema = EMA(constant_model(1.0), half_life=1_000, ramp_up=float("inf"))
        ema.n_seen = 1
        for _ in range(1_000 // batch_size):
            ema.update(constant_model(0.0), batch_size)
        averages.append(ema.model.bias[0].item())
    assert averages[0] == pytest.approx(averages[1], rel=1e-5) == pytest.approx(0.5, rel=1e-5)


def test_first_update_copies_the_model():
    ema = EMA(constant_model(1.0), half_life=1e9)
    ema.update(constant_model(5.0), 32)
    assert ema.model.weight.detach() == pytest.approx(torch.full((2, 2), 5.0))


def test_buffers_are_copied_and_gradients_are_off():
    model = nn.BatchNorm1d(3)
    ema = EMA(model, half_life=1e9)
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    ema.update(model, 8)
    averaged, trained = dict(ema.model.named_buffers()), dict(model.named_buffers())
    assert torch.equal(averaged["running_mean"], trained["running_mean"])
    assert averaged["num_batches_tracked"] == 1
    assert not any(p.requires_grad for p in ema.model.parameters())


class Caching(nn.Module):
    """Makes its buffer when it is first used, and enlarges it where more is needed."""

    table: Any

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.register_buffer("table", None, persistent=False)

    def forward(self, x):
        if self.table is None or len(self.table) < len(x):
            self.table = torch.arange(len(x), dtype=torch.float32)[:, None]
        return self.layer(x + self.table[: len(x)])


def test_a_buffer_that_was_made_or_enlarged_in_training_is_copied_too():
    model = Caching()
    ema = EMA(model, half_life=1e9)
    for n in (2, 3):
        model(torch.zeros(n, 1))
        ema.update(model, n)
        assert torch.equal(ema.model.table, model.table)
        assert ema.model.table is not model.table
    assert ema.model.state_dict().keys() == model.state_dict().keys()


def test_whole_numbers_are_copied_and_not_averaged():
    model: Any = constant_model(1.0)
    model.places = nn.Parameter(torch.arange(3), requires_grad=False)
    ema = EMA(model, half_life=1e9)
    model.places.data += 4
    ema.update(model, 1)
    assert ema.model.places.tolist() == [4, 5, 6]


def test_state_is_complete():
    first, model = EMA(constant_model(1.0), half_life=100), constant_model(2.0)
    first.update(model, 32)
    second = EMA(constant_model(7.0), half_life=100)
    second.load_state_dict(first.state_dict())
    for ema in (first, second):
        ema.update(constant_model(3.0), 32)
    assert torch.equal(first.model.weight, second.model.weight)


@pytest.mark.parametrize("arguments", [{"half_life": 0}, {"half_life": 1, "ramp_up": 0}])
def test_nonsense_is_refused(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        EMA(nn.Linear(1, 1), **arguments)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_less_precision_are_averaged_in_float32(dtype):
    """One step moves the average by 2e-4 of the way, which such weights cannot hold."""
    ema = EMA(constant_model(0.0).to(dtype), half_life=30_000, ramp_up=float("inf"))
    ema.n_seen = 1
    one = constant_model(1.0).to(dtype)
    for _ in range(100):
        ema.update(one, 300)
    assert ema.model.weight.detach() == pytest.approx(torch.full((2, 2), 0.5), rel=1e-4)


def test_the_average_of_weights_of_double_precision_is_as_precise():
    assert EMA(constant_model(1.0).double(), half_life=1).model.weight.dtype == torch.float64


def test_what_cannot_be_copied_is_told_with_a_remedy():
    model = nn.Sequential(torch.nn.utils.spectral_norm(nn.Linear(2, 2)))
    model(torch.ones(1, 2))  # from here on its weight is the result of a computation
    with pytest.raises(ValueError, match=r"the Sequential cannot be copied.*parametrizations"):
        EMA(model, half_life=1)
