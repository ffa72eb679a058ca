"""One token at a time in NumPy: nothing but products of a matrix with a vector, and memory reused.

A small model spends most of a token's time on calling: each of torch's operations takes some
microseconds before it computes, and a module more. NumPy's take a fraction of one. What is left is
made less by algebra, once, when the weights are copied:

- A gain before a matrix is a factor of the matrix's columns, and a shift before it adds to its
  bias.
- Layer normalisation subtracts the mean of what it reads. Nothing else reads the residual stream,
  so what is written to it can be centred instead: then its mean is zero, and stays so.
- The factor 1/√d of attention goes into the queries' matrix or into the table of rotations.

The memory is that of ``advance``: a prompt can be read by the model, and the next token here.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn

from aigc_tutorial.ar.models.gpt2 import GPT2, GPT2Block, GPT2State
from aigc_tutorial.ar.models.transformer import Transformer, TransformerBlock, TransformerState
from aigc_tutorial.nn.attention import CausalSelfAttention
from aigc_tutorial.nn.fast import RMS_EPSILON
from aigc_tutorial.nn.position import RotaryPositions
from aigc_tutorial.nn.token_shift import TokenShift

Array = np.ndarray


class GPT2Step:
    """Reads one token into a :class:`GPT2State` of one sequence."""

    def __init__(self, model: GPT2) -> None:
        """Copy and fold the weights, as they are now."""
        self.eps = model.config.layer_norm_eps
        self._heads = _Heads(model.config)
        self._tokens = _centred(_array(model.token_embedding.weight), axis=1)
        self._positions = _centred(_array(model.position_embedding.weight), axis=1)
        self._layers = [self._folded(block) for block in model.blocks]
        self._head = _after_norm(model.token_embedding.weight, 0.0, model.final_norm)
        width, hidden = model.config.width, self._layers[0][4].shape[0]
        self._x, self._h, self._y = (np.empty(width, np.float32) for _ in range(3))
        self._u, self._g = (np.empty(hidden, np.float32) for _ in range(2))
        self._factors = (np.float32(0.044715 * _GELU), np.float32(_GELU), np.float32(1))

    def _folded(self, block: Any) -> tuple[Array, ...]:
        heads = block.attention.query_key_value
        w_heads, b_heads = _after_norm(heads.weight, heads.bias, block.attention_norm)
        scale, n_queries = (w_heads.shape[0] // 3 // self._heads.number) ** -0.5, len(w_heads) // 3
        w_heads[:n_queries] *= scale
        b_heads[:n_queries] *= scale
        w_up, b_up = _after_norm(block.up.weight, block.up.bias, block.mlp_norm)
        added = (block.attention.output, block.down)
        w_output, w_down = (_centred(_array(layer.weight), axis=0) for layer in added)
        b_output, b_down = (_centred(_array(layer.bias), axis=0) for layer in added)
        w_down *= np.float32(0.5)  # GELU's factor
        return w_heads, b_heads, w_output, b_output, np.asfortranarray(w_up), b_up, w_down, b_down

    def __call__(self, token: int, state: GPT2State) -> Array:
        """Logits (V,) after a further token; the state is changed in place."""
        x, h, y, u, g = self._x, self._h, self._y, self._u, self._g
        a, b, one = self._factors
        width, eps = len(x), self.eps
        attend = self._heads.at(state.cache)
        np.add(self._tokens[token], self._positions[state.cache.length], x)
        for layer, weights in enumerate(self._layers):
            w_heads, b_heads, w_output, b_output, w_up, b_up, w_down, b_down = weights
            np.multiply(x, 1 / math.sqrt(x.dot(x) / width + eps), h)
            w_heads.dot(h, attend.projected)
            attend.projected += b_heads
            w_output.dot(attend(layer), y)
            x += y
            x += b_output
            np.multiply(x, 1 / math.sqrt(x.dot(x) / width + eps), h)
            w_up.dot(h, u)
            u += b_up
            np.multiply(u, u, g)  # GELU's √(2/π) (u + 0.044715 u³)
            g *= a
            g += b
            g *= u
            np.tanh(g, g)
            g += one
            g *= u
            w_down.dot(g, y)
            x += y
            x += b_down
        np.multiply(x, 1 / math.sqrt(x.dot(x) / width + eps), h)
        state.cache.length += 1
        w_head, b_head = self._head
        return w_head.dot(h) + b_head


class TransformerStep:
    """Reads one token into a :class:`TransformerState` of one sequence."""

    def __init__(self, model: Transformer) -> None:
        """Copy the weights, as they are now."""
        config = model.config
        embedding = _array(model.embedding.weight)
        rms = np.sqrt(np.mean(embedding**2, axis=1, keepdims=True)) + RMS_EPSILON
        self._tokens = (embedding / rms).astype(np.float32)
        self._shares = list(_array(model.token_shift.shares))
        blocks: Iterable[Any] = model.blocks
        self._layers = [
            (
                _array(block.attention.query_key_value.weight),
                _array(block.attention.output.weight),
                np.asfortranarray(_array(block.up.weight)),
                _array(block.down.weight),
            )
            for block in blocks
        ]
        self._head = _array((model.embedding if model.head is None else model.head).weight)
        self._cap = None if config.logit_cap is None else np.float32(config.logit_cap)
        self._heads = _Heads(config)
        n_heads, d = config.n_heads, config.width // config.n_heads
        # Of queries and keys together; the queries' part has the factor 1/√d of attention.
        factor = np.repeat([[d**-0.5], [1.0]], n_heads, axis=0)
        tables = (_array(model.rotary.cos), _array(model.rotary.sin))
        self._cos, self._sin = ((t[:, None] * factor).astype(np.float32) for t in tables)
        self._both = self._heads.projected[: 2 * config.width].reshape(2 * n_heads, d)
        self._turned, self._half = np.empty_like(self._both), d // 2
        self._length, self._share = np.empty((2 * n_heads, 1), np.float32), np.float32(d**-0.5)
        self._x, self._h, self._y = (np.empty(config.width, np.float32) for _ in range(3))
        self._u = np.empty(config.mlp_factor * config.width, np.float32)

    def __call__(self, token: int, state: TransformerState) -> Array:
        """Logits (V,) after a further token; the state is changed in place."""
        x, h, y, u, both, turned = self._x, self._h, self._y, self._u, self._both, self._turned
        length, half, time = self._length, self._half, state.cache.length
        attend = self._heads.at(state.cache)
        cos, sin = self._cos[time], self._sin[time]
        x[:] = self._tokens[token]
        if self._shares:
            embeddings, now = state.embeddings.numpy()[0], time + len(self._shares)
            embeddings[now] = x
            for lag, share in enumerate(self._shares, start=1):
                x += share * embeddings[now - lag]
        for layer, (w_heads, w_output, w_up, w_down) in enumerate(self._layers):
            np.multiply(x, _rms_scale(x), h)
            w_heads.dot(h, attend.projected)
            np.multiply(both, both, turned)
            np.add.reduce(turned, axis=1, out=length, keepdims=True)
            np.sqrt(length, length)
            length *= self._share
            length += RMS_EPSILON
            both /= length
            turned[:, half:] = both[:, :half]
            turned[:, :half] = both[:, half:]
            turned *= sin
            both *= cos
            both += turned
            w_output.dot(attend(layer), y)
            x += y
            np.multiply(x, _rms_scale(x), h)
            w_up.dot(h, u)
            np.maximum(u, 0, out=u)
            u *= u
            w_down.dot(u, y)
            x += y
        np.multiply(x, _rms_scale(x), h)
        state.cache.length += 1
        logits = self._head.dot(h)
        if self._cap is not None:
            logits /= self._cap
            np.tanh(logits, logits)
            logits *= self._cap
        return logits


def step_of(model: Any) -> GPT2Step | TransformerStep | None:
    """The step of a model; None if there is none that computes what it does.

    A step knows plain layers alone: none that was replaced, by an adapter for example, and none to
    which somebody listens.
    """
    modules = list(model.modules())
    listened = any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    strange = any(type(module) not in _PLAIN for module in modules)
    weights = [*model.parameters(), *model.buffers()]
    elsewhere = any(str(w.dtype) != "torch.float32" or w.device.type != "cpu" for w in weights)
    if listened or strange or elsewhere:
        return None
    if type(model) is GPT2:
        return GPT2Step(model)
    if type(model) is Transformer and model.config.activation == "relu2":
        return TransformerStep(model)
    return None


# By class and not by name: what quantizes a model calls its layers Linear too.
_PLAIN = {nn.Linear, nn.LayerNorm, nn.Embedding, nn.ModuleList, CausalSelfAttention}
_PLAIN |= {GPT2, GPT2Block, Transformer, TransformerBlock, TokenShift, RotaryPositions}


class _Heads:
    """Attention of one token to those in a cache, which takes in its keys and values first.

    Attributes:
        number: N.
        projected: (3 D,), where queries, scaled by 1/√d, keys and values are put.
    """

    def __init__(self, config: Any) -> None:
        width, self.number = config.width, config.n_heads
        d = width // self.number
        self.projected = np.empty(3 * width, np.float32)
        self._queries = self.projected[:width].reshape(self.number, d, 1)
        self._new = self.projected[width:].reshape(2, self.number, d)
        self._most = np.empty((self.number, 1), np.float32)
        self._gathered = np.empty(width, np.float32)
        self._rows = self._gathered.reshape(self.number, d)
        self._of_heads = self._gathered.reshape(self.number, 1, d)
        self._tensor: Tensor | None = None

    def at(self, cache: Any) -> "_Heads":
        """Go on where the cache ends, in its memory."""
        if cache.memory is not self._tensor:  # a view of a tensor costs more than a layer
            self._tensor = cache.memory
            memory = cache.memory.numpy()[:, :, 0]  # (L, 2, N, C, d)
            self._layers = [(both, both[0], both[1]) for both in memory]
            self._room = memory.shape[3]
        end = cache.length + 1
        if end > self._room:
            raise ValueError(
                f"{cache.length} tokens were read and 1 more does not fit into the context of "
                f"{self._room}; go on from a new state that has read the last tokens alone"
            )
        self._end = end
        self._scores = np.empty((self.number, end), np.float32)
        self._row, self._column = self._scores[:, None], self._scores[:, :, None]
        return self

    def __call__(self, layer: int) -> Array:
        """What the heads gather in a layer, (D,)."""
        scores, most, end = self._scores, self._most, self._end
        memory, keys, values = self._layers[layer]
        memory[:, :, end - 1] = self._new
        np.matmul(keys[:, :end], self._queries, out=self._column)
        np.maximum.reduce(scores, axis=1, out=most, keepdims=True)
        scores -= most
        np.exp(scores, scores)
        np.matmul(self._row, values[:, :end], out=self._of_heads)
        np.add.reduce(scores, axis=1, out=most, keepdims=True)
        self._rows /= most
        return self._gathered


_GELU = math.sqrt(2 / math.pi)


def _rms_scale(x: Array) -> float:
    return 1 / (math.sqrt(x.dot(x) / len(x)) + RMS_EPSILON)


def _after_norm(weight: Tensor, bias: Any, norm: Any) -> tuple[Array, Array]:
    """Weight and bias of a linear map that also does the norm's gain and shift."""
    return _array(weight * norm.weight), _array(weight @ norm.bias + bias)


def _centred(array: Array, *, axis: int) -> Array:
    return array - array.mean(axis=axis, keepdims=True)


def _array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().numpy(), dtype=np.float32, order="C")
