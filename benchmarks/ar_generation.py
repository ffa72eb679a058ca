"""How fast sequences and images are drawn, with and without what was computed before."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import huggingface_gpt2
import torch
from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.generation.pixels import IncrementalLogits, sample
from aigc_tutorial.ar.generation.sampling import SamplingConfig
from aigc_tutorial.ar.generation.stream import generate
from aigc_tutorial.ar.models.gpt2 import GPT2
from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.nn import count_parameters

LENGTH = 512
"""Tokens of a sequence, the given first one included."""
N_DIGITS = 16
N_NAIVE = 28
"""Pixels of which the naive loop is timed; every pixel costs it the same."""


def randomised(model: torch.nn.Module, scale: float) -> Any:
    """Overwrite the matrices with noise, so that logits differ and nothing is zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=scale)
    return model.eval()


@torch.no_grad()
def compare_generation(seed: int, n_threads: int) -> dict[str, Any]:
    """One sequence of 512 tokens: Hugging Face and ours on the same weights, in turns.

    The size is that of the small GPT beside which we train, with a longer context. Both draw from
    the model's own distribution.
    """
    torch.set_num_threads(n_threads)
    tune_cpu()
    theirs, ours = huggingface_gpt2.pair(seed, LENGTH)
    own = randomised(recipe_model(seed), 0.1)
    prompt = torch.zeros(1, 1, dtype=torch.int64)
    n_new = LENGTH - 1

    greedy = SamplingConfig(temperature=0)
    same = torch.equal(
        huggingface_gpt2.write(theirs, n_new, sampling=False),
        generate(ours, prompt, max_new_tokens=n_new, config=greedy),
    )
    ways: dict[str, Callable[[], Tensor]] = {
        "Hugging Face, its cache": lambda: huggingface_gpt2.write(theirs, n_new, sampling=True),
        "ours, same weights, cache": lambda: generate(ours, prompt, max_new_tokens=n_new),
        "ours, same weights, no cache": lambda: generate(
            ours, prompt, max_new_tokens=n_new, use_cache=False
        ),
        "our Transformer, cache": lambda: generate(own, prompt, max_new_tokens=n_new),
        "our Transformer, no cache": lambda: generate(
            own, prompt, max_new_tokens=n_new, use_cache=False
        ),
    }
    huggingface_gpt2.write(theirs, 32, sampling=True)
    generate(own, prompt, max_new_tokens=32)
    rates = {}
    for name, way in ways.items():
        seconds, tokens = timed(way)
        assert tokens.shape == (1, LENGTH), tokens.shape
        rates[name] = n_new / seconds
    return {
        "greedy_tokens_equal": same,
        "largest_logit_difference": largest_difference(theirs, ours),
        "tokens_per_second": rates,
    }


def recipe_model(seed: int) -> AutoregressiveModel:
    """Our own Transformer, in the recipe's size, with a context of 512."""
    config = dataclasses.replace(SHAKESPEARE.model_config, context=LENGTH)
    return dataclasses.replace(SHAKESPEARE, model_config=config).model(seed=seed)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and what it returned."""
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def largest_difference(theirs: Any, ours: GPT2) -> float:
    """Largest difference of a logit: their pass over 512 tokens, and ours token by token."""
    tokens = torch.randint(65, (1, LENGTH))
    state, parts = ours.initial_state(1), []
    for t in range(LENGTH):
        logits, state = ours.advance(tokens[:, t : t + 1], state)
        parts.append(logits)
    return float((theirs(tokens).logits - torch.cat(parts, dim=1)).abs().max())


@torch.no_grad()
def compare_pixels(seed: int, n_threads: int) -> dict[str, Any]:
    """Sixteen digits by the naive loop and by the incremental one, for two sizes of model."""
    torch.set_num_threads(n_threads)
    tune_cpu()
    sizes = {}
    for width, n_layers in ((32, 8), (64, 11)):
        torch.manual_seed(seed)
        model = PixelCNN(PixelCNNConfig(width=width, n_layers=n_layers)).eval()
        levels = torch.randint(2, (N_DIGITS, *model.image_size))
        seconds, _ = timed(lambda: sample(model, N_DIGITS))  # noqa: B023 - called at once
        model(levels)
        part, _ = timed(lambda: [model(levels)[:, 14, i] for i in range(N_NAIVE)])  # noqa: B023
        incremental = IncrementalLogits(model, None, N_DIGITS)
        height, columns = model.image_size
        rows = [
            torch.stack([incremental.at(levels, row, i) for i in range(columns)], dim=1)
            for row in range(height)
        ]
        difference = (torch.stack(rows, dim=1) - model(levels)).abs().max()
        naive_seconds = part * height * columns / N_NAIVE
        sizes[f"width {width}, {n_layers} layers"] = {
            "n_parameters": count_parameters(model),
            "incremental_seconds": seconds,
            "naive_seconds": naive_seconds,
            "ratio": naive_seconds / seconds,
            "largest_logit_difference": float(difference),
        }
    return {"threads": n_threads, "sizes": sizes}
