"""A model trained on another device than the data."""

import torch

from aigc_tutorial import ar
from aigc_tutorial.training import Engine
from tests import second_device


def test_a_model_comes_back_from_the_device_to_where_it_was():
    tokens = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = ar.WindowModel(ar.WindowConfig(vocab_size=5, window=4))
    engine = Engine(device="cpu")
    engine.device = second_device.DEVICE
    config = ar.ARTrainingConfig(n_tokens=512, batch_size=8, context=4, optimizer="adamw")
    result = ar.train(model, tokens, config=config, progress_bar=False, engine=engine)
    for trained in (result.model, result.raw_model, model):
        assert trained(tokens[None, :4]).device.type == "cpu"
