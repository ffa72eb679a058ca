"""Trained models reach the entropy rate of a chain, and none gets below it."""

import math

import pytest
import torch

from aigc_tutorial.ar import (
    ARTrainingConfig,
    NGramConfig,
    NGramModel,
    RecurrentConfig,
    RecurrentModel,
    Transformer,
    TransformerConfig,
    WindowConfig,
    WindowModel,
    train,
)
from aigc_tutorial.data import XORChain, ring_chain
from aigc_tutorial.evaluation import text_likelihood

CONTEXT = 16
CONFIG = ARTrainingConfig(
    n_tokens=150_000,
    batch_size=32,
    context=CONTEXT,
    optimizer="adamw",
    learning_rate_matrices=0.01,
    betas=(0.9, 0.98),
    warmup_tokens=5_000,
)


def transformer(vocab_size, token_shift):
    config = TransformerConfig(
        vocab_size, CONTEXT, n_layers=2, n_heads=2, width=16, token_shift=token_shift
    )
    return Transformer(config)


MODELS = {
    "window": lambda v: WindowModel(WindowConfig(v, window=3, embedding_dim=8, hidden_dim=32)),
    "rnn": lambda v: RecurrentModel(RecurrentConfig(v, "rnn", 8, 24)),
    "gru": lambda v: RecurrentModel(RecurrentConfig(v, "gru", 8, 24)),
    "lstm": lambda v: RecurrentModel(RecurrentConfig(v, "lstm", 8, 24)),
    "transformer": lambda v: transformer(v, token_shift=1),
    "transformer without token shift": lambda v: transformer(v, token_shift=0),
}


def sequence(chain, length, seed):
    return chain.sample(1, length, rng=torch.Generator().manual_seed(seed))[0]


def trained(make, vocab_size, text):
    torch.manual_seed(0)
    model = make(vocab_size)
    return train(model, text, config=CONFIG, progress_bar=False).model


def nats(model, chain):
    """Held-out likelihood; the standard error is about 0.004 nats."""
    return text_likelihood(model, sequence(chain, 30_001, 1), context=CONTEXT).nats_per_token


@pytest.mark.parametrize("name", MODELS)
def test_the_ring_is_learned_down_to_its_entropy_rate(name):
    chain = ring_chain()
    model = trained(MODELS[name], 8, sequence(chain, 40_000, 0))
    assert nats(model, chain) == pytest.approx(chain.entropy_rate, abs=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_the_exclusive_or_is_learned_down_to_its_entropy_rate(name):
    """A window's first prediction sees one bit, which says nothing; all others see enough."""
    chain = XORChain(0.1)
    model = trained(MODELS[name], 2, sequence(chain, 40_000, 0))
    expected = (math.log(2) + (CONTEXT - 1) * chain.entropy_rate) / CONTEXT
    assert nats(model, chain) == pytest.approx(expected, abs=0.02)


def test_who_sees_one_bit_learns_nothing_of_the_exclusive_or():
    chain = XORChain(0.1)
    text = sequence(chain, 40_000, 0)
    window = trained(lambda v: WindowModel(WindowConfig(v, 1, 8, 32)), 2, text)
    assert nats(window, chain) == pytest.approx(chain.entropy_given_last, abs=0.01)
    bigrams = NGramModel(NGramConfig(2, order=2)).fit(text)
    assert nats(bigrams, chain) == pytest.approx(chain.entropy_given_last, abs=0.01)


def test_counting_reaches_the_rings_entropy_rate():
    chain = ring_chain()
    model = NGramModel(NGramConfig(8, order=2)).fit(sequence(chain, 40_000, 0))
    assert nats(model, chain) == pytest.approx(chain.entropy_rate, abs=0.02)
