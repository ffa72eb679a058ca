"""Dropout is for training: no door that generates or scores lets it in, in whichever mode."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from aigc_tutorial import ar
from aigc_tutorial.ar.generation import pixels
from aigc_tutorial.evaluation import sequence_likelihood, text_likelihood
from tests.ar.checks import random_tokens, randomize
from tests.ar.small_models import make

NAMES = ["transformer", "gpt-2", "wavenet", "window", "lstm"]


def seeded():
    return torch.Generator().manual_seed(0)


class Noisy(nn.Module):
    """A layer, and dropout after it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.dropout = layer, nn.Dropout(0.5)

    def __getattr__(self, name: str) -> Any:
        """What is not here is the layer's: its weight, its sizes."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("layer"), name)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Half of the layer's features, doubled."""
        return self.dropout(self.layer(*inputs))


def with_dropout(model: Any) -> Any:
    """A copy in training mode, with dropout after what reads the tokens."""
    noisy = copy.deepcopy(model)
    name, layer = next(
        (name, part)
        for name, part in noisy.named_children()
        if isinstance(part, nn.Embedding | nn.Sequential | nn.Conv2d)
    )
    setattr(noisy, name, Noisy(layer))
    return noisy.train()


TEXT_DOORS: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "generate": lambda m, x: m.generate(x, max_new_tokens=9, rng=seeded()),
    "generate_naively": lambda m, x: m.generate_naively(x, max_new_tokens=9, rng=seeded()),
    "stream": lambda m, x: torch.stack([*ar.stream(m, x, max_new_tokens=9, rng=seeded())]),
    "beam_search": lambda m, x: torch.tensor(
        [beam.log_probability for beam in ar.beam_search(m, x[0], max_new_tokens=4, n_beams=3)]
    ),
    "speculative_generate": lambda m, x: (
        ar.speculative_generate(
            m, m, x[0], max_new_tokens=9, config=ar.SamplingConfig(temperature=0)
        ).tokens
    ),
    "influence": lambda m, x: ar.influence(m, x),
    "text_likelihood": lambda m, x: torch.tensor(text_likelihood(m, x[0], context=3).nats),
    "sequence_likelihood": lambda m, x: torch.tensor(sequence_likelihood(m, x).nats),
}
NEEDS = {"speculative_generate": ["transformer", "gpt-2", "window"]}


@pytest.mark.parametrize("door", TEXT_DOORS)
@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_tokens_in_training_mode_gives_what_it_gives_in_evaluation(name, door):
    if name not in NEEDS.get(door, NAMES):
        return
    model = make(name)
    tokens = random_tokens(model, batch=2, time=4)
    noisy = with_dropout(model)
    assert not torch.equal(noisy(tokens), model(tokens)), "dropout does nothing here"
    expected = TEXT_DOORS[door](model, tokens)
    assert torch.equal(TEXT_DOORS[door](noisy, tokens), expected)
    assert noisy.training


def pixelcnn():
    config = ar.PixelCNNConfig((4, 3), n_levels=4, width=6, n_layers=2, first_kernel_size=3)
    torch.manual_seed(0)
    model = ar.PixelCNN(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # so that its logits say something
    return model.eval()


LEVELS = torch.randint(4, (5, 4, 3), generator=torch.Generator().manual_seed(1))
IMAGE_DOORS: dict[str, Callable[[Any], Any]] = {
    "sample": lambda m: m.sample(5, rng=seeded()),
    "sample_naively": lambda m: m.sample_naively(5, rng=seeded()),
    "pixels.sample": lambda m: pixels.sample(m, 5, rng=seeded(), given=LEVELS, n_given_rows=1),
    "pixels.stream": lambda m: [*pixels.stream(m, 5, rng=seeded())][-1],
    "sequence_likelihood": lambda m: torch.tensor(sequence_likelihood(m, LEVELS).nats),
}


@pytest.mark.parametrize("door", IMAGE_DOORS)
def test_a_model_of_pixels_in_training_mode_gives_what_it_gives_in_evaluation(door):
    model = pixelcnn()
    noisy = copy.deepcopy(model)
    noisy.head = nn.Sequential(noisy.head[0], nn.Dropout(0.5), *noisy.head[1:])
    noisy.train()
    assert not torch.equal(noisy(LEVELS), model(LEVELS)), "dropout does nothing here"
    assert torch.equal(IMAGE_DOORS[door](noisy), IMAGE_DOORS[door](model))
    assert noisy.training


@pytest.mark.parametrize("rng", [seeded, lambda: None])
def test_a_film_goes_on_in_training_mode_as_in_evaluation(rng):
    model = randomize(ar.FrameModel(ar.FrameModelConfig(width=6, n_layers=2)), scale=0.2)
    noisy = copy.deepcopy(model)
    first = nn.Sequential(noisy.first, nn.Dropout(0.5))
    first.weight = noisy.first.weight
    noisy.first = first  # type: ignore[assignment]
    noisy.train()
    films = torch.randint(2, (3, 2, 6, 6), generator=seeded()).float()
    assert not torch.equal(noisy(films), model(films)), "dropout does nothing here"
    made = noisy.continue_films(films, 4, rng=rng())
    assert torch.equal(made, model.continue_films(films, 4, rng=rng()))
    assert noisy.training


def test_a_stream_that_is_closed_midway_leaves_the_mode_as_it_was():
    model = pixelcnn().train()
    images = pixels.stream(model, 1, rng=seeded())
    next(images)
    assert not model.training
    images.close()  # type: ignore[attr-defined]
    assert model.training
