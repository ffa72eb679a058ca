"""The incremental sampler draws what the naive one draws; both draw from the model."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.ar.generation.pixels import (
    IncrementalLogits,
    choose_levels,
    draw_noise,
    sample,
    stream,
)
from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig

SHAPE = (6, 5)
VARIANTS = [
    {},
    {"n_levels": 8},
    {"n_classes": 3},
    {"n_levels": 8, "n_classes": 3},
    {"kernel_size": 5, "first_kernel_size": 5},
    {"kernel_size": 1, "first_kernel_size": 1},
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**settings):
    """A small model with large weights, so that its logits say something."""
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "image_shape": SHAPE,
        "width": 6,
        "n_layers": 3,
        "first_kernel_size": 3,
    }
    model = PixelCNN(PixelCNNConfig(**(defaults | settings)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model


def labels_for(model, n):
    n_classes = model.config.n_classes
    return None if n_classes is None else torch.arange(n) % n_classes


@pytest.mark.parametrize("settings", VARIANTS)
@pytest.mark.parametrize("n", [1, 7])
def test_incremental_equals_naive(settings, n):
    model = tiny(**settings)
    fast = model.sample(n, labels_for(model, n), rng=seeded())
    slow = model.sample_naively(n, labels_for(model, n), rng=seeded())
    assert torch.equal(fast, slow)
    assert fast.unique().tolist() == list(range(model.config.n_levels)) or n == 1


@pytest.mark.parametrize("settings", VARIANTS)
@torch.no_grad()
def test_incremental_logits_equal_those_of_the_parallel_pass(settings):
    model = tiny(**settings)
    levels = torch.randint(model.config.n_levels, (4, *SHAPE), generator=seeded())
    labels = labels_for(model, 4)
    expected = model(levels, labels)
    incremental = IncrementalLogits(model, labels, 4)
    for row, column in itertools.product(*map(range, SHAPE)):
        logits = incremental.at(levels, row, column)
        torch.testing.assert_close(logits, expected[:, row, column], atol=1e-5, rtol=0)


@torch.no_grad()
def test_pixels_not_drawn_yet_are_not_read():
    model = tiny()
    logits = []
    for unknown in (0, 1):
        source = IncrementalLogits(model, None, 1)
        levels = torch.full((1, *SHAPE), unknown)
        levels[:, :3] = 1
        logits.append([source.at(levels, row, 0) for row in (3, 4)])
    assert torch.equal(logits[0][0], logits[1][0])
    assert not torch.equal(logits[0][1], logits[1][1])


def test_samples_follow_the_models_distribution():
    model = tiny(image_shape=(2, 2))
    n = 20_000
    images = torch.tensor(list(itertools.product(range(2), repeat=4))).view(16, 2, 2)
    probabilities = model.nll(images).sum(dim=(1, 2)).neg().exp().detach().double()
    levels = model.sample(n, rng=seeded())
    number = (levels.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(dim=1)
    frequencies = number.bincount(minlength=16) / n
    bound = 4 * (probabilities * (1 - probabilities) / n).sqrt()
    assert ((frequencies - probabilities).abs() <= bound).all()


def test_the_seed_decides_and_the_batch_size_does_not():
    model = tiny()
    levels = sample(model, 7, rng=seeded())
    assert torch.equal(levels, sample(model, 7, rng=seeded(), batch_size=3))
    assert not torch.equal(levels, sample(model, 7, rng=seeded(1)))


def test_temperature_zero_takes_the_most_probable_level():
    model = tiny(n_levels=8)
    levels = model.sample(2, rng=seeded(), temperature=0)
    assert torch.equal(levels, model(levels).argmax(dim=-1))


def test_higher_temperature_is_closer_to_uniform():
    logits = torch.tensor([[2.0, 0.0, -1.0]]).expand(20_000, 3)
    noise = torch.rand(20_000, generator=seeded())
    shares = [
        (choose_levels(logits, noise, temperature=temperature) == 0).double().mean().item()
        for temperature in (0.5, 1.0, 1e6)
    ]
    expected = [(logits[0] / t).softmax(0)[0].item() for t in (0.5, 1.0, 1e6)]
    assert shares == pytest.approx(expected, abs=0.015)


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 256]))
def test_levels_exist_and_rise_with_the_noise(seed, n_levels):
    logits = 10 * torch.randn(1, n_levels, generator=seeded(seed)).expand(50, -1)
    # The largest number below 1 is among them.
    noise = torch.linspace(0, 1 - 2**-24, 50)
    levels = choose_levels(logits, noise)
    assert 0 <= levels.min() <= levels.max() < n_levels
    assert (levels.diff() >= 0).all()


def test_impossible_levels_are_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]]).expand(2, 3)
    assert choose_levels(logits, torch.tensor([0.0, 1 - 2**-24])).tolist() == [1, 1]


@given(st.integers(0, 2**32 - 1), st.integers(2, 256))
def test_no_noise_goes_beyond_the_last_possible_level(seed, n_levels):
    """Probabilities added up in single precision often end below the largest noise there is."""
    logits = torch.randn(20, n_levels, generator=seeded(seed)) * 3
    impossible = torch.rand(logits.shape, generator=seeded(seed)) < 0.5
    impossible[:, 0], impossible[:, n_levels // 2 + 1 :] = False, True
    logits = logits.masked_fill(impossible, -torch.inf)
    for noise in (0.0, 0.5, 1 - 2**-24):
        levels = choose_levels(logits, torch.full((20,), noise))
        assert logits.gather(1, levels[:, None]).isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("n_given_rows", [1, 4, 6])
def test_completion_keeps_the_given_rows_and_draws_the_rest(n_given_rows):
    model = tiny(n_classes=3)
    images = torch.randint(2, (7, *SHAPE), generator=seeded(5))
    labels, noise = labels_for(model, 7), draw_noise(model, 7, seeded())
    slow = images.clone()
    for row, column in itertools.product(range(n_given_rows, 6), range(5)):
        logits = model(slow, labels)[:, row, column]
        slow[:, row, column] = choose_levels(logits, noise[:, row, column])
    fast = sample(model, 7, labels, rng=seeded(), given=images, n_given_rows=n_given_rows)
    assert torch.equal(fast, slow)
    assert torch.equal(fast[:, :n_given_rows], images[:, :n_given_rows])


def test_completing_an_own_sample_with_its_noise_gives_it_back():
    model = tiny()
    levels = sample(model, 3, rng=seeded())
    again = sample(model, 3, rng=seeded(), given=levels, n_given_rows=3)
    assert torch.equal(levels, again)


def test_stream_shows_every_pixel_and_ends_at_the_sample():
    model = tiny(n_classes=3)
    labels = labels_for(model, 2)
    final = sample(model, 2, labels, rng=seeded())
    partial = [levels.clone() for levels in stream(model, 2, labels, rng=seeded())]
    assert len(partial) == 30
    for n_drawn, levels in enumerate(partial, start=1):
        assert torch.equal(levels.flatten(1)[:, :n_drawn], final.flatten(1)[:, :n_drawn])
        assert not levels.flatten(1)[:, n_drawn:].any()


def test_sampling_leaves_gradients_switched_on_outside():
    images = stream(tiny(), 1, rng=seeded())
    next(images)
    assert torch.is_grad_enabled()


def test_wrong_settings_are_refused_before_the_first_pixel():
    model = tiny()
    with pytest.raises(ValueError, match="n must be at least 1"):
        model.sample(0)
    with pytest.raises(ValueError, match="temperature must be a finite number, 0"):
        stream(model, 1, temperature=-1.0)
    with pytest.raises(ValueError, match="no images are given"):
        stream(model, 1, n_given_rows=2)
    images = torch.zeros(1, *SHAPE, dtype=torch.int64)
    for way in (sample, stream):
        with pytest.raises(ValueError, match="the rows to keep of the given images, must be at le"):
            way(model, 1, given=images)
    with pytest.raises(ValueError, match=r"must lie in 1 … 6, got 7"):
        stream(model, 1, given=images, n_given_rows=7)
    with pytest.raises(ValueError, match="give labels"):
        tiny(n_classes=3).sample(1)
