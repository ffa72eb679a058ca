"""Evaluation mode ends where it began: nested, in several threads, part by part."""

import threading

import torch
from torch import nn

from aigc_tutorial.gan import ConvGenerator, ConvGeneratorConfig
from aigc_tutorial.nn import evaluation_mode, seeded_weights


def parted() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    model[0].eval()
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_nested_evaluations_end_with_the_outer_one():
    model = parted()
    with evaluation_mode(model):
        with evaluation_mode(model):
            assert not any(modes(model))
        assert not any(modes(model))
    assert modes(model) == [True, False, True]


def test_evaluations_that_overlap_end_with_the_last_one():
    model = parted()
    first, second = evaluation_mode(model), evaluation_mode(model[1])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert modes(model) == [True, False, False]  # the second is still at work in its own part
    second.__exit__(None, None, None)
    assert modes(model) == [True, False, True]


def test_an_evaluation_that_was_abandoned_does_not_put_a_training_to_sleep():
    """A stream of which one token was read is open; the next validation ended in evaluation."""
    model = parted()
    abandoned = evaluation_mode(model)
    abandoned.__enter__()
    model.train()
    for _ in range(2):
        with evaluation_mode(model):
            assert not any(modes(model))
        assert all(modes(model))
    abandoned.__exit__(None, None, None)
    assert modes(model) == [True, False, True]


def test_sampling_from_several_threads_leaves_a_generator_in_training_as_it_was():
    torch.manual_seed(0)
    model = ConvGenerator(ConvGeneratorConfig(latent_dim=4, image_shape=(1, 8, 8), channels=(8, 4)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    expected = model.sample(50, rng=torch.Generator().manual_seed(1), batch_size=5)
    different: list[int] = []

    def sample() -> None:
        for i in range(10):
            found = model.sample(50, rng=torch.Generator().manual_seed(1), batch_size=5)
            if not torch.equal(found, expected):
                different.append(i)

    threads = [threading.Thread(target=sample) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert different == []
    assert all(modes(model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_models_that_threads_build_at_the_same_time_have_the_weights_of_their_seeds():
    """Torch has one generator for all threads: the second waits until the first has built."""
    with seeded_weights(1):
        expected = torch.rand(3)
    has_begun, may_end = threading.Event(), threading.Event()

    def build():
        with seeded_weights(2):
            has_begun.set()
            may_end.wait(5)

    other = threading.Thread(target=build)
    before = torch.get_rng_state()
    with seeded_weights(1):
        other.start()
        has_begun.wait(0.2)
        drawn = torch.rand(3)
    may_end.set()
    other.join()
    assert torch.equal(drawn, expected)
    assert torch.equal(torch.get_rng_state(), before)
