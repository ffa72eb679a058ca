"""A recipe is complete: it builds, trains and repeats itself."""

import dataclasses

import torch

from aigc_tutorial.ar.recipes import SHAKESPEARE
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


def test_it_learns_a_chain_within_a_few_steps():
    """From log 5 towards the chain's entropy rate of log 2, at a tenth of the real width."""
    small = dataclasses.replace(
        SHAKESPEARE,
        model_config=dataclasses.replace(SHAKESPEARE.model_config, width=16, n_layers=1),
        training=dataclasses.replace(SHAKESPEARE.training, context=16, warmup_tokens=0),
    )
    steps = torch.randint(0, 2, (4_000,), generator=torch.Generator().manual_seed(0))
    text = steps.cumsum(0) % 5
    result = small.train(text, n_tokens=15_000, vocab_size=5, seed=0, progress_bar=False)
    assert result.history["loss"][0] > 1.5
    assert result.history["loss"][-1] < 0.75
