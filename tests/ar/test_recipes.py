"""A recipe is complete: it builds, trains and repeats itself."""

import dataclasses
from typing import Any

import pytest
import torch

from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.ar.trainer import train
from aigc_tutorial.nn import count_parameters


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_shakespeare_model_has_the_size_that_it_is_compared_at():
    """nanoGPT's, with its four layers of width 128, has 0.80 million parameters."""
    assert 0.7e6 < count_parameters(SHAKESPEARE.model()) < 0.82e6


def test_weights_follow_from_the_seed_and_from_nothing_else():
    state = torch.get_rng_state()
    first, again, other = (SHAKESPEARE.model(seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(torch.get_rng_state(), state)
    assert SHAKESPEARE.model(vocab_size=7).vocab_size == 7


SMALL = dataclasses.replace(
    SHAKESPEARE,
    model_config=dataclasses.replace(SHAKESPEARE.model_config, width=16, n_layers=1),
    training=dataclasses.replace(SHAKESPEARE.training, context=16, warmup_tokens=0),
)


@pytest.fixture
def text():
    """A walk on a ring of five, one or no step at a time."""
    steps = torch.randint(0, 2, (4_000,), generator=torch.Generator().manual_seed(0))
    return steps.cumsum(0) % 5


def test_one_seed_decides_the_weights_and_the_order_of_the_data(text):
    options: dict[str, Any] = {"seed": 3, "progress_bar": False}
    found = SMALL.train(text, n_tokens=1_024, vocab_size=5, **options).model
    config = dataclasses.replace(SMALL.training, n_tokens=1_024)
    expected = train(SMALL.model(vocab_size=5, seed=3), text, config=config, **options).model
    assert torch.equal(weights(found), weights(expected))


def test_it_learns_a_chain_within_a_few_steps(text):
    """From log 5 towards the chain's entropy rate of log 2, at a tenth of the real width."""
    result = SMALL.train(text, n_tokens=15_000, vocab_size=5, seed=0, progress_bar=False)
    assert result.history["loss"][0] > 1.5
    assert result.history["loss"][-1] < 0.75


def test_another_configuration_makes_another_recipe(text):
    with pytest.raises(TypeError, match=r"dataclasses.replace\(recipe, training=config\)"):
        SMALL.train(text, config=SMALL.training)
