"""The Transformer without one of its parts, to measure what that part is good for."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.models.transformer import Transformer, TransformerBlock, TransformerConfig
from aigc_tutorial.nn.attention import KeyValueCache
from aigc_tutorial.nn.norm import rms_norm
from aigc_tutorial.nn.position import RotaryPositions

Part = Literal[
    "mask",
    "positions",
    "attention",
    "perceptron",
    "residual stream",
    "norm",
    "query-key norm",
    "zero initialisation",
]


@dataclass(frozen=True)
class AblatedTransformerConfig(TransformerConfig):
    """Configuration of :class:`AblatedTransformer`.

    Attributes:
        without: the parts that are left out. Whatever the other settings can take away (several
            heads, the squared rectifier, bounded logits, the token shift) is taken away by them.
    """

    without: tuple[Part, ...] = ()


class AblatedTransformer(Transformer):
    """A :class:`Transformer` that lacks some parts and is the same in everything else.

    - "mask": each token sees the whole sequence, the future included. Such a model is not causal:
      what it generates depends on how it is read, all anew or token by token.
    - "positions": queries and keys are not turned.
    - "attention", "perceptron": that half of each block is left out.
    - "residual stream": what a half of a block finds replaces its input and is not added to it.
      The projections then begin random: from zeros nothing would ever come out, nor a gradient.
    - "norm": attention and perceptron read the stream as it is.
    - "query-key norm": queries and keys keep their lengths.
    - "zero initialisation": projections and head begin random, with the variance of their input.

    A model without a part has the weights of the whole one, so either loads the other's.
    """

    config_class = AblatedTransformerConfig
    config: AblatedTransformerConfig

    def __init__(self, config: AblatedTransformerConfig) -> None:
        super().__init__(config)
        self.blocks = nn.ModuleList(_AblatedBlock(config) for _ in range(config.n_layers))
        if "positions" in config.without:
            head_width = config.width // config.n_heads
            self.rotary = _NoRotation(head_width, config.context, config.rope_base)
        if "zero initialisation" in config.without and self.head is not None:
            nn.init.normal_(self.head.weight, std=config.width**-0.5)

    def attention_mask(
        self, n_queries: int, n_keys: int, segments: Int64[Tensor, "B T"] | None = None
    ) -> Bool[Tensor, "*batch K T"] | None:
        """Which tokens each query sees: all of its segment, where the mask is left out."""
        if "mask" not in self.config.without:
            return super().attention_mask(n_queries, n_keys, segments)
        if segments is not None:
            return segments[:, None, :, None] == segments[:, None, None, :]
        return torch.ones(n_queries, n_keys, dtype=torch.bool, device=self.device)


class _NoRotation(RotaryPositions):
    """Tables that leave queries and keys as they are."""

    def tables(self) -> dict[str, Float[Tensor, "context d"]]:
        """Angles of 0 at every position."""
        cos, sin = super().tables().values()
        return {"cos": torch.ones_like(cos), "sin": torch.zeros_like(sin)}


class _AblatedBlock(TransformerBlock):
    """A block that lacks some parts."""

    def __init__(self, config: AblatedTransformerConfig) -> None:
        super().__init__(config)
        self.without = frozenset(config.without)
        self.attention.qk_norm = "query-key norm" not in self.without
        if self.without & {"zero initialisation", "residual stream"}:
            for matrix in (self.attention.output.weight, self.down.weight):
                nn.init.normal_(matrix, std=matrix.shape[1] ** -0.5)

    def forward(
        self,
        x: Float[Tensor, "B K D"],
        mask: Bool[Tensor, "*batch K T"] | None,
        rotation: tuple[Tensor, Tensor],
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B K D"]:
        """Do to ``x`` what is left of attention, then of the perceptron."""
        if "attention" not in self.without:
            x = self._join(x, self.attention(self.normalised(x), mask, rotation, cache, layer))
        if "perceptron" not in self.without:
            x = self._join(x, self.down(self.activation(self.up(self.normalised(x)))))
        return x

    def normalised(self, x: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        """What attention and perceptron read."""
        return x if "norm" in self.without else rms_norm(x)

    def _join(self, x: Tensor, found: Tensor) -> Tensor:
        return found if "residual stream" in self.without else x + found
