"""The causal Transformer: attention over all earlier tokens, computed for all positions at once."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import as_segments, as_tokens, check_shape, on_cpu
from aigc_tutorial.config import Config
from aigc_tutorial.integers import IntegersLike
from aigc_tutorial.nn.activation import relu_squared
from aigc_tutorial.nn.attention import (
    CausalSelfAttention,
    KeyValueCache,
    attend,
    segment_mask,
)
from aigc_tutorial.nn.norm import rms_norm
from aigc_tutorial.nn.position import RotaryPositions, rotate
from aigc_tutorial.nn.precision import full_precision
from aigc_tutorial.nn.rows import RowCache, RowMemory, are_plain, linear, whole_groups
from aigc_tutorial.nn.token_shift import TokenShift


@dataclass(frozen=True)
class TransformerConfig(Config):
    """Configuration of :class:`Transformer`.

    Attributes:
        vocab_size: V, number of tokens.
        context: how many tokens the model takes at most.
        n_layers: L, blocks of attention and perceptron.
        n_heads: N, heads of attention in a block.
        width: D, features of a token.
        mlp_factor: hidden units of the perceptron for each feature.
        rope_base: see :class:`aigc_tutorial.nn.position.RotaryPositions`.
        activation: of the perceptron; "relu2" is max(x, 0)² (So et al., 2021, arXiv 2109.08668).
        tie_embeddings: use the embedding's matrix as the head's too.
        logit_cap: c, logits become c·tanh(logits / c); None for no bound.
        token_shift: how many tokens back each token takes a share from, before the first block;
            0 for none. See :class:`aigc_tutorial.nn.token_shift.TokenShift`.
    """

    vocab_size: int
    context: int = 64
    n_layers: int = 4
    n_heads: int = 4
    width: int = 128
    mlp_factor: int = 4
    rope_base: float = 1000.0
    activation: Literal["relu2", "gelu"] = "relu2"
    tie_embeddings: bool = False
    logit_cap: float | None = 15.0
    token_shift: int = 1

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("vocab_size", "context", "n_layers", "n_heads", at_least=1)
        self.require("width", "mlp_factor", at_least=1)
        self.require("rope_base", above=1)
        self.require("token_shift", at_least=0)
        self.require("logit_cap", above=0)


class TransformerState:
    """What a Transformer keeps of the tokens that it has read.

    Attributes:
        cache: keys and values.
        embeddings: (B, S + context, D), what the token shift reads: S zeros, since nothing comes
            before the first token, then the embeddings of the tokens.
    """

    def __init__(self, cache: KeyValueCache, embeddings: Float[Tensor, "B P D"]) -> None:
        self.cache = cache
        self.embeddings = embeddings

    def select_rows(self, rows: Int64[Tensor, " R"]) -> "TransformerState":
        """A new state whose batch consists of the given rows of this one."""
        return TransformerState(self.cache.select_rows(rows), self.embeddings.index_select(0, rows))

    def truncate(self, length: int) -> "TransformerState":
        """The state after the first ``length`` tokens; it shares the memory of this one."""
        return TransformerState(self.cache.truncate(length), self.embeddings)


class TransformerRows(RowMemory):
    """What a Transformer keeps of sequences of unequal length, a row for each.

    Attributes:
        embeddings: (R, S, D) of the last S tokens, or zeros before the first one.
    """

    def __init__(self, cache: RowCache, embeddings: Float[Tensor, "R S D"]) -> None:
        super().__init__(cache)
        self.embeddings = embeddings

    def put(self, row: int, state: TransformerState) -> None:
        """Let a row go on from the state of a single sequence."""
        super().put(row, state)
        if n_shift := self.embeddings.shape[1]:
            self.embeddings[row] = state.embeddings[0].narrow(0, state.cache.length, n_shift)


class Transformer(AutoregressiveModel):
    """A decoder in the form that has become usual since GPT-2, small and without biases.

    A token's features go through L blocks, each of which adds what attention and then a perceptron
    finds in their normalised form (pre-norm; Xiong et al., 2020, arXiv 2002.04745). Norms are
    RMSNorm (Zhang & Sennrich, 2019, arXiv 1910.07467) without gains, since a gain can be absorbed
    by the matrix that follows. Positions are rotary, queries and keys normalised, logits bounded
    (Gemma Team, 2024, arXiv 2408.00118).

    A new model predicts the uniform distribution, and each block passes its input on unchanged: the
    output projections and the head begin at zero. A tied head cannot, so its logits begin small.
    """

    config_class = TransformerConfig
    config: TransformerConfig

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.token_shift = TokenShift(config.token_shift, config.width)
        self.rotary = RotaryPositions(
            config.width // config.n_heads, config.context, config.rope_base
        )
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.n_layers))
        self.head = None
        if config.tie_embeddings:
            nn.init.normal_(self.embedding.weight, std=0.02)
        else:
            self.head = nn.Linear(config.width, config.vocab_size, bias=False)
            nn.init.zeros_(self.head.weight)

    @property
    def context(self) -> int:
        """How many tokens the model takes."""
        return self.config.context

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """The head, if it has a matrix of its own."""
        return () if self.head is None else (self.head,)

    def forward(
        self, tokens: Int64[Tensor, "B T"], segments: Int64[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """Logits of the token after each, all positions in one pass.

        Args:
            tokens: sequences.
            segments: numbers that tell apart the sequences packed into a row; a token then sees
                its own sequence alone. Positions need no restart, since only distances count.
        """
        return self.logits_of(self.features(tokens, segments))

    def features(
        self, tokens: Int64[Tensor, "B T"], segments: Int64[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """What the head reads of each token: the last block's output, normalised.

        A head of another task can read it too (:class:`aigc_tutorial.adaptation.Classifier`).

        Args:
            tokens: sequences.
            segments: as :meth:`forward` takes them.
        """
        check_shape(tokens, self.context)
        time = tokens.shape[1]
        mask, rotation = self.attention_mask(time, time, segments), self.rotary(0, time)
        x = self._embed(tokens, segments)
        for block in self.blocks:
            x = block(x, mask, rotation)
        return rms_norm(x)

    def check_rows(
        self,
        tokens: Int64[Tensor, "B T"] | IntegersLike,
        mask: Any = None,
        segments: IntegersLike | None = None,
        *,
        look: bool = True,
    ) -> tuple[Tensor, ...]:
        """Check data that :meth:`nll` is to take; see ``AutoregressiveModel.check_rows``.

        Returns:
            The tokens; the mask, if there is one or there are segments; and the segments, if there
            are.
        """
        rows = super().check_rows(tokens, mask, look=look)
        if segments is None:
            return rows
        numbers = as_segments(segments, rows[0].shape)
        begins = torch.zeros_like(numbers, dtype=torch.bool)
        begins[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
        if mask is None:
            padding = numbers == 0
            if look and (begins & ~padding)[:, 1:][padding[:, :-1]].any():
                raise ValueError(
                    "segment 0 is padding behind the sequences, and here another segment follows "
                    "it; number the sequences 1, 2, …, or give a mask of the tokens to predict"
                )
            return rows[0], ~(begins | padding), numbers
        if look and (rows[1].to(begins.device) & begins).any():
            raise ValueError(
                "the mask is True at the first token of a segment, which is given and not "
                "predicted; data.pack_sequences makes masks and segments that fit"
            )
        return *rows, numbers

    def nll(
        self,
        tokens: Int64[Tensor, "B T"] | IntegersLike,
        mask: Bool[Tensor, "B T"] | None = None,
        segments: Int64[Tensor, "B T"] | IntegersLike | None = None,
    ) -> Float[Tensor, "B N"]:
        """Negative log-likelihood in nats of each token given those before it in its segment.

        Args:
            tokens: sequences, at least two tokens long.
            mask: True where there is a token to predict; the other entries are 0.
            segments: as :meth:`forward` takes them. The first token of a segment is given: its
                entry is 0. Without a mask 0 is padding, behind the sequences, and its entries are
                0 too.

        Raises:
            ValueError: as :meth:`check_rows` does; values are looked at on the CPU alone.
        """
        if segments is None:
            return super().nll(tokens, mask)
        checked = self.check_rows(tokens, mask, segments, look=on_cpu(tokens))
        rows, predicted, numbers = (part.to(self.device) for part in checked)
        logits = self(rows[:, :-1], numbers[:, :-1])
        logits = full_precision(logits).transpose(1, 2)
        nll = F.cross_entropy(logits, rows[:, 1:], reduction="none")
        given = ~predicted[:, 1:] | (numbers[:, 1:] != numbers[:, :-1])
        return nll.masked_fill(given, 0.0)

    def attention_mask(
        self, n_queries: int, n_keys: int, segments: Int64[Tensor, "B T"] | None = None
    ) -> Bool[Tensor, "*batch K T"] | None:
        """Which tokens each query sees.

        A subclass can override this to see what a mask is good for.

        Returns:
            True where a query may look; None for every token up to the query's own, which
            attention's fast kernels know without being shown a mask.
        """
        return None if segments is None else segment_mask(segments)

    @torch.no_grad()
    def attention_maps(
        self, tokens: Int64[Tensor, "B T"] | IntegersLike
    ) -> Float[Tensor, "L B N T T"]:
        """How much each token (row) takes from each token (column), in every layer and head.

        Args:
            tokens: sequences, not longer than the context, in a tensor, an array or lists.

        Raises:
            ValueError: if the model does not take the tokens.
        """
        tokens = as_tokens(tokens, self.vocab_size, self.context).to(self.device)
        time = tokens.shape[1]
        mask, rotation = self.attention_mask(time, time), self.rotary(0, time)
        x = self._embed(tokens)
        maps = []
        for block in self.blocks:
            assert isinstance(block, TransformerBlock)
            maps.append(block.attention.maps(block.normalised(x), mask, rotation))
            x = block(x, mask, rotation)
        return torch.stack(maps)

    def initial_state(self, batch_size: int) -> TransformerState:
        """Memory for the keys, values and embeddings of ``context`` tokens."""
        config, weight = self.config, self.embedding.weight
        cache = KeyValueCache.empty(
            config.n_layers, batch_size, config.n_heads, config.context, config.width, like=weight
        )
        n_shift = config.token_shift
        room = n_shift + config.context if n_shift else 0
        embeddings = weight.new_empty(batch_size, room, config.width)
        embeddings[:, :n_shift] = 0
        return TransformerState(cache, embeddings)

    @torch.no_grad()
    def advance(
        self, tokens: Int64[Tensor, "B K"], state: TransformerState
    ) -> tuple[Float[Tensor, "B K V"], TransformerState]:
        """Read K further tokens, without gradients; the state is changed in place.

        Raises:
            ValueError: if the context is too short for them.
        """
        cache, n_shift = state.cache, self.config.token_shift
        start, n_new = cache.length, tokens.shape[1]
        check_shape(tokens)
        cache.reserve(tokens)
        mask = self.attention_mask(n_new, start + n_new)
        rotation = self.rotary(start, start + n_new)
        x = rms_norm(self.embedding(tokens))
        if n_shift:
            state.embeddings.narrow(1, n_shift + start, n_new).copy_(x)
            x = self.token_shift(x, state.embeddings.narrow(1, start, n_shift + n_new))
        for layer, block in enumerate(self.blocks):
            x = block(x, mask, rotation, cache, layer)
        return self.logits_of(rms_norm(x)), state

    def select_rows(self, state: TransformerState, rows: Int64[Tensor, " R"]) -> TransformerState:
        """A new state whose batch consists of the given rows."""
        return state.select_rows(rows)

    def truncate(self, state: TransformerState, length: int) -> TransformerState:
        """The state after the first ``length`` tokens, in the same memory."""
        return state.truncate(length)

    def initial_rows(self, n_rows: int) -> Any:
        """Memory for ``n_rows`` sequences of unequal length."""
        kinds = (nn.ModuleList, TransformerBlock, CausalSelfAttention, nn.Linear)
        if type(self) is not Transformer or not are_plain(self.blocks, kinds):
            return super().initial_rows(n_rows)  # a model that was changed is called as it is
        config, weight = self.config, self.embedding.weight
        sizes = (config.n_layers, whole_groups(n_rows), config.n_heads, config.context)
        cache = RowCache(*sizes, config.width, like=weight)
        return TransformerRows(cache, weight.new_zeros(sizes[1], config.token_shift, config.width))

    def read_rows(
        self, tokens: Int64[Tensor, " R"], rows: Any, positions: Int64[Tensor, " R"]
    ) -> Float[Tensor, "R V"]:
        """The logits after one further token of each row."""
        rotation = self.rotary.at(positions)
        x = rms_norm(self.embedding(tokens))
        if self.config.token_shift:
            padded = torch.cat([rows.embeddings[: len(x)], x[:, None]], dim=1)
            rows.embeddings[: len(x)] = padded[:, 1:]
            x = self.token_shift(x[:, None], padded)[:, 0]
        for layer, block in enumerate(self.blocks):
            x = block.read_rows(x, rotation, rows.cache, layer)  # type: ignore[operator]
        return self._bounded(linear(rms_norm(x), self._head_weight()))

    def _embed(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        # Normalised, the residual stream begins alike whether the embedding is large or small.
        x = rms_norm(self.embedding(tokens))
        return self.token_shift(x, F.pad(x, (0, 0, self.config.token_shift, 0)), segments)

    def logits_of(self, features: Float[Tensor, "B K D"]) -> Float[Tensor, "B K V"]:
        """What the head makes of :meth:`features`."""
        return self._bounded(F.linear(features, self._head_weight()))

    def _head_weight(self) -> Tensor:
        return (self.embedding if self.head is None else self.head).weight

    def _bounded(self, logits: Tensor) -> Tensor:
        cap = self.config.logit_cap
        return logits if cap is None else cap * torch.tanh(full_precision(logits) / cap)


class TransformerBlock(nn.Module):
    """Attention and perceptron, each fed with normalised features and added to them."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.attention = CausalSelfAttention(width, config.n_heads, bias=False, qk_norm=True)
        self.up = nn.Linear(width, config.mlp_factor * width, bias=False)
        self.down = nn.Linear(config.mlp_factor * width, width, bias=False)
        self.activation = relu_squared if config.activation == "relu2" else F.gelu
        for matrix in (self.attention.query_key_value.weight, self.up.weight):
            nn.init.normal_(matrix, std=width**-0.5)  # keeps the variance of its input
        for matrix in (self.attention.output.weight, self.down.weight):
            nn.init.zeros_(matrix)

    def forward(
        self,
        x: Float[Tensor, "B K D"],
        mask: Bool[Tensor, "*batch K T"] | None,
        rotation: tuple[Tensor, Tensor],
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B K D"]:
        """Add to ``x`` what attention, then the perceptron, finds."""
        x = x + self.attention(rms_norm(x), mask, rotation, cache, layer)
        return x + self.down(self.activation(self.up(rms_norm(x))))

    def read_rows(
        self, x: Float[Tensor, "R D"], rotation: tuple[Tensor, Tensor], cache: RowCache, layer: int
    ) -> Float[Tensor, "R D"]:
        """What :meth:`forward` computes, for one new token in each of the rows of a cache."""
        attention = self.attention
        heads = linear(rms_norm(x), attention.query_key_value.weight).view(
            len(x), 3 * attention.n_heads, -1
        )
        both, values = heads.split((2 * attention.n_heads, attention.n_heads), dim=1)
        queries, keys = rotate(rms_norm(both), rotation).chunk(2, dim=1)
        found = attend(queries[:, :, None], *cache.extend(layer, keys, values))
        x = x + linear(found.view(x.shape), attention.output.weight)
        return x + linear(self.activation(linear(rms_norm(x), self.up.weight)), self.down.weight)

    def normalised(self, x: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        """What attention reads of ``x``."""
        return rms_norm(x)
