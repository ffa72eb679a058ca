"""How time and memory grow with the number of tokens T, measured and fitted on logarithmic axes."""

import math
import statistics
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.models.recurrent import RecurrentConfig, RecurrentModel
from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.nn import attention

LENGTHS = (64, 128, 256, 512, 1024, 2048)
N_FITTED = 3
"""Slopes are fitted to the longest lengths, where fixed costs matter least."""
TITLES = {
    "time_of_a_token": "Time of one further token (ms)",
    "memory_of_the_state": "Kept from token to token (kB)",
    "time_of_training": "Training step, one sequence (ms)",
    "memory_of_training": "Training step, peak memory (MB)",
}


class PeakMemory(TorchDispatchMode):
    """Within the block, the most bytes that tensors made in it held at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count storages that are new."""
        out = func(*args, **(kwargs or {}))
        given = {id(x.untyped_storage()) for x in tree_leaves(args) if isinstance(x, Tensor)}
        for tensor in tree_leaves(out):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if id(storage) not in given and storage not in self._known:
                self._known.add(storage)
                n_bytes = storage.nbytes()
                self._now += n_bytes
                self.peak = max(self.peak, self._now)
                weakref.finalize(storage, self._free, n_bytes)
        return out

    def _free(self, n_bytes: int) -> None:
        self._now -= n_bytes


def formed_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Attention by its formula: all T² weights exist at once."""
    return attention.attention_probabilities(queries, keys, mask) @ values


def make_transformer(context: int) -> Transformer:
    """The recipe's size with a longer context."""
    return Transformer(TransformerConfig(vocab_size=65, context=context, token_shift=3))


def make_lstm(context: int) -> RecurrentModel:
    """A recurrent model of about the same size; it has no context."""
    return RecurrentModel(RecurrentConfig(vocab_size=65, embedding_dim=128, hidden_dim=384))


def median_milliseconds(function: Callable[[], Any], least: float = 0.15) -> float:
    """Median time of a call, of at least three and as many as fit into ``least`` seconds."""
    function()
    times: list[float] = []
    while len(times) < 3 or sum(times) < least:
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


@torch.no_grad()
def generation_at(model: AutoregressiveModel, length: int) -> tuple[float, float, float]:
    """Milliseconds of token T with and without a state, and kilobytes of the state."""
    tokens = torch.randint(65, (1, length))
    _, state = model.advance(tokens[:, :-1], model.initial_state(1))
    last = tokens[:, -1:]
    if isinstance(model, Transformer):

        def step() -> None:
            model.advance(last, model.truncate(state, length - 1))

        kept = [state.cache.memory, state.embeddings]
    else:

        def step() -> None:
            model.advance(last, state)

        kept = list(state)
    n_bytes = sum(tensor.nbytes for tensor in kept)
    return median_milliseconds(step), median_milliseconds(lambda: model(tokens)), n_bytes / 1e3


def training_at(model: AutoregressiveModel, length: int) -> tuple[float, float]:
    """Milliseconds and peak megabytes of the gradient of one sequence's likelihood."""
    tokens = torch.randint(65, (1, length + 1))

    def step() -> None:
        model.zero_grad(set_to_none=True)
        model.nll(tokens).mean().backward()

    milliseconds = median_milliseconds(step)
    model.zero_grad(set_to_none=True)
    with PeakMemory() as memory:
        model.nll(tokens).mean().backward()
    return milliseconds, memory.peak / 1e6


def measure_scaling(seed: int, n_threads: int) -> dict[str, Any]:
    """All four quantities at all lengths."""
    torch.set_num_threads(n_threads)
    tune_cpu()
    torch.manual_seed(seed)
    curves: dict[str, dict[str, list[float]]] = {name: {} for name in TITLES}

    def note(quantity: str, name: str, value: float) -> None:
        curves[quantity].setdefault(name, []).append(value)

    kernel = attention.attend
    for length in LENGTHS:
        transformer, lstm = make_transformer(length).eval(), make_lstm(length).eval()
        with_cache, without, kilobytes = generation_at(transformer, length)
        note("time_of_a_token", "Transformer, no cache", without)
        note("time_of_a_token", "Transformer, cache", with_cache)
        note("memory_of_the_state", "Transformer, cache", kilobytes)
        milliseconds, _, kilobytes = generation_at(lstm, length)
        note("time_of_a_token", "LSTM", milliseconds)
        note("memory_of_the_state", "LSTM", kilobytes)
        for name, model, attend in (
            ("Transformer, all weights formed", transformer, formed_attention),
            ("Transformer, fused kernel", transformer, kernel),
            ("LSTM", lstm, kernel),
        ):
            attention.attend = attend
            milliseconds, megabytes = training_at(model.train(), length)
            note("time_of_training", name, milliseconds)
            note("memory_of_training", name, megabytes)
        attention.attend = kernel
    slopes = {
        quantity: {name: slope(values) for name, values in lines.items()}
        for quantity, lines in curves.items()
    }
    return {"lengths": list(LENGTHS), "threads": n_threads, "curves": curves, "slopes": slopes}


def slope(values: list[float]) -> float:
    """Exponent p of the power T^p that fits the longest lengths best."""
    logarithms = [math.log(value) for value in values[-N_FITTED:]]
    return float(np.polyfit(np.log(LENGTHS[-N_FITTED:]), logarithms, 1)[0])


def draw(result: dict[str, Any], path: Path) -> None:
    """Four panels on logarithmic axes, the slopes in their legends."""
    import matplotlib.pyplot as plt

    from aigc_tutorial.viz import save_figure
    from aigc_tutorial.viz.style import style

    with style():
        figure, axes = plt.subplots(2, 2, figsize=(8, 5.6))
        for ax, (quantity, lines) in zip(axes.flat, result["curves"].items(), strict=True):
            for name, values in lines.items():
                label = f"{name} ({result['slopes'][quantity][name]:.2f})"
                ax.loglog(result["lengths"], values, marker=".", label=label)
            ax.set_title(TITLES[quantity])
            ax.set_xlabel("tokens T")
            ax.set_xticks(result["lengths"], [str(length) for length in result["lengths"]])
            ax.minorticks_off()
            ax.legend(title="slope of the fit in brackets", fontsize=7, title_fontsize=7)
        save_figure(figure, path)
        plt.close(figure)
