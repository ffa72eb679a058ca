"""What becomes of a model when it is exported: graphs, each with the names and sizes of its ports.

A generator, a classifier and a PixelCNN are one graph, ``model``. A model of text is two: ``model``
reads whole sequences, and ``step`` one token after others that were read before. What is known of
those is the *cache*: keys and values of every layer, time first, so that a further token is written
behind the others and the memory of T tokens is the beginning of the memory of T + 1.
Where the model shifts tokens, their embeddings are kept likewise; a step takes the ``recent`` ones,
as many as the shift reaches back, with zeros before the first token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar import GPT2, PixelCNN, Transformer
from aigc_tutorial.config import Config
from aigc_tutorial.evaluation import DigitClassifier
from aigc_tutorial.gan.base import Generator
from aigc_tutorial.nn import Pretrained
from aigc_tutorial.nn.attention import KeyValueCache
from aigc_tutorial.nn.norm import rms_norm

MAIN, STEP = "model", "step"
MOST_ROWS = 65_536
"""Largest batch of an exported graph."""
EXAMPLE_SIZES = {"batch": 2, "time": 5, "past": 3}
"""Sizes at which a graph is traced; what was traced must hold at all others."""


@dataclass(frozen=True)
class Port(Config):
    """What goes into a graph or comes out of it.

    Attributes:
        name: by which it is given or taken.
        dtype: of its numbers.
        shape: sizes; a name stands for a size that may differ from call to call, and is the same
            wherever the name stands.
        low: the least whole number that may be given; None for numbers that are not whole.
        high: the largest.
    """

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[Any, ...]
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Graph:
    """A part of a model that is exported by itself.

    Attributes:
        name: ``"model"`` or ``"step"``.
        module: what is traced.
        inputs: in the order in which the module takes them.
        outputs: in the order in which it returns them.
        sizes: of each size that may differ, the least and the largest.
        model: what the first output must be equal to, where that is not the module itself.
    """

    name: str
    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    sizes: dict[str, tuple[int, int]]
    model: nn.Module | None = None

    def example(
        self, sizes: dict[str, int], *, rng: torch.Generator | None = None
    ) -> tuple[Tensor, ...]:
        """Inputs of given sizes that the graph can take.

        Args:
            sizes: by name, of each that may differ.
            rng: source of randomness; None is torch's global source.
        """
        examples = []
        for port in self.inputs:
            shape = [sizes[size] if isinstance(size, str) else size for size in port.shape]
            if port.low is None or port.high is None:
                examples.append(torch.randn(shape, generator=rng, dtype=torch.float32))
            else:
                examples.append(torch.randint(port.low, port.high + 1, shape, generator=rng))
        return tuple(examples)


def graphs_of(model: Pretrained) -> tuple[Graph, ...]:
    """The graphs that a model is exported as.

    Raises:
        TypeError: if it is a model of a kind that has none.
    """
    for kind, graphs in _KINDS.items():
        if type(model) is kind or (kind is Generator and isinstance(model, Generator)):
            return graphs(model)
    kinds = ", ".join(kind.__name__ for kind in _KINDS)
    raise TypeError(
        f"a {type(model).__name__} cannot be exported; models of these classes can: {kinds}"
    )


def _generator(model: Any) -> tuple[Graph, ...]:
    image = Port("images", "float32", ("batch", *model.image_shape))
    inputs = (Port("z", "float32", ("batch", model.latent_dim)), *_labels(model.n_classes))
    return (Graph(MAIN, model, inputs, (image,), _batch()),)


def _classifier(model: Any) -> tuple[Graph, ...]:
    image = Port("images", "float32", ("batch", *model.image_shape))
    logits = Port("logits", "float32", ("batch", model.config.n_classes))
    return (Graph(MAIN, model, (image,), (logits,), _batch()),)


def _pixelcnn(model: Any) -> tuple[Graph, ...]:
    config = model.config
    levels = Port("levels", "int64", ("batch", *model.image_size), 0, config.n_levels - 1)
    logits = Port("logits", "float32", ("batch", *model.image_size, config.n_levels))
    inputs = (levels, *_labels(config.n_classes))
    return (Graph(MAIN, model, inputs, (logits,), _batch()),)


def _text(model: Any) -> tuple[Graph, ...]:
    config = model.config
    n_shift = getattr(config, "token_shift", 0)
    layers = (config.n_layers, 2, "batch", config.n_heads, config.width // config.n_heads)
    recent = (Port("recent", "float32", (n_shift, "batch", config.width)),) * bool(n_shift)
    last = config.vocab_size - 1
    # A size with one possible value is none that may differ.
    time = "time" if config.context > 1 else 1
    past = "past" if config.context > 2 else 1

    whole = Graph(
        MAIN,
        _Reading(model),
        (Port("tokens", "int64", ("batch", time), 0, last),),
        (
            Port("logits", "float32", ("batch", time, config.vocab_size)),
            Port("cache", "float32", (time, *layers)),
            *(Port("embeddings", "float32", (time, "batch", config.width)) for _ in recent),
        ),
        _batch() | ({"time": (1, config.context)} if config.context > 1 else {}),
        model,
    )
    if config.context == 1:  # no token comes after another
        return (whole,)
    step = Graph(
        STEP,
        _Step(model),
        (
            Port("token", "int64", ("batch",), 0, last),
            Port("cache", "float32", (past, *layers)),
            *recent,
        ),
        (
            Port("logits", "float32", ("batch", config.vocab_size)),
            Port("new", "float32", (1, *layers)),
            *(Port("new_embedding", "float32", (1, "batch", config.width)) for _ in recent),
        ),
        _batch() | ({"past": (1, config.context - 1)} if config.context > 2 else {}),
    )
    return whole, step


_KINDS: dict[type[Pretrained], Callable[[Any], tuple[Graph, ...]]] = {
    Generator: _generator,
    DigitClassifier: _classifier,
    PixelCNN: _pixelcnn,
    Transformer: _text,
    GPT2: _text,
}


def _labels(n_classes: int | None) -> tuple[Port, ...]:
    return () if n_classes is None else (Port("labels", "int64", ("batch",), 0, n_classes - 1),)


def _batch() -> dict[str, tuple[int, int]]:
    return {"batch": (1, MOST_ROWS)}


class _Reading(nn.Module):
    """A model of text that reads whole sequences and hands out what a further token needs."""

    def __init__(self, model: Transformer | GPT2) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Int64[Tensor, "B T"]) -> tuple[Tensor, ...]:
        """Logits (B, T, V), the cache (T, L, 2, B, N, d), embeddings (T, B, D) if shifted."""
        return _read(self.model, tokens, _Collected())


class _Step(nn.Module):
    """A model of text that reads one token after others."""

    def __init__(self, model: Transformer | GPT2) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        token: Int64[Tensor, " B"],
        cache: Float[Tensor, "P L 2 B N d"],
        recent: Float[Tensor, "S B D"] | None = None,
    ) -> tuple[Tensor, ...]:
        """Logits (B, V), and what to write behind the cache and the embeddings."""
        logits, *others = _read(self.model, token[:, None], _Collected(cache), recent)
        return (logits[:, 0], *others)


class _Collected(KeyValueCache):
    """Joins the keys and values of new tokens to those of earlier ones, and keeps the new apart.

    Where :class:`KeyValueCache` writes into its memory, this one makes new tensors: a graph says
    what comes out of what went in, and writes into nothing.
    """

    def __init__(self, earlier: Float[Tensor, "P L 2 B N d"] | None = None) -> None:
        self.length = 0 if earlier is None else earlier.shape[0]
        self._earlier = earlier
        self._layers: list[Tensor] = []

    def extend(
        self, layer: int, keys: Float[Tensor, "B N K d"], values: Float[Tensor, "B N K d"]
    ) -> tuple[Float[Tensor, "B N T d"], Float[Tensor, "B N T d"]]:
        """Keep a layer's keys and values of the new tokens; return those of all."""
        new = torch.stack([keys, values])
        self._layers.append(new)
        if self._earlier is None:
            return keys, values
        earlier = self._earlier[:, layer].permute(1, 2, 3, 0, 4)
        keys, values = torch.cat([earlier, new], dim=3).unbind()
        return keys, values

    @property
    def new(self) -> Float[Tensor, "K L 2 B N d"]:
        """Keys and values of the new tokens, time first."""
        return torch.stack(self._layers).permute(4, 0, 1, 2, 3, 5)


def _read(
    model: Transformer | GPT2, tokens: Tensor, cache: _Collected, recent: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Logits after tokens (B, K), their part of the cache, and their embeddings if shifted.

    This is ``advance`` of the two models without a memory that is written into; the tests hold both
    equal.
    """
    start, stop = cache.length, cache.length + tokens.shape[1]
    if isinstance(model, GPT2):
        x = model.token_embedding(tokens) + model.position_embedding.weight[start:stop]
        for layer, block in enumerate(model.blocks):
            x = block(x, None, cache, layer)
        return model.logits_of(model.final_norm(x)), cache.new
    x, n_shift = rms_norm(model.embedding(tokens)), model.config.token_shift
    embeddings = [x.transpose(0, 1)] * bool(n_shift)
    if n_shift:
        batch, _, width = x.shape
        none = x.new_zeros(batch, n_shift, width)
        earlier = none if recent is None else recent.transpose(0, 1)
        x = model.token_shift(x, torch.cat([earlier, x], dim=1))
    rotation = model.rotary(start, stop)
    for layer, block in enumerate(model.blocks):
        x = block(x, None, rotation, cache, layer)
    return (model.logits_of(rms_norm(x)), cache.new, *embeddings)
