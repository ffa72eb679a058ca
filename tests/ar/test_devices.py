"""A model trained on another device than the data."""

import pytest
import torch

from aigc_tutorial import ar
from tests import second_device
from tests.training.interrupted import InterruptedEngine


def start(n_updates):
    """A model of the CPU, and the result of its training on the other device."""
    tokens = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = ar.WindowModel(ar.WindowConfig(vocab_size=5, window=4))
    engine = InterruptedEngine(n_updates)
    engine.device = second_device.device()
    config = ar.ARTrainingConfig(n_tokens=512, batch_size=8, context=4, optimizer="adamw")
    return model, lambda: ar.train(model, tokens, config=config, progress_bar=False, engine=engine)


def is_here(model):
    return model(torch.zeros(1, 4, dtype=torch.int64)).device.type == "cpu"


def test_a_model_comes_back_from_the_device_to_where_it_was():
    model, train = start(10**9)
    result = train()
    assert all(map(is_here, (result.model, result.raw_model, model)))


def test_after_an_interruption_too():
    model, train = start(3)
    with pytest.raises(KeyboardInterrupt):
        train()
    assert is_here(model)
