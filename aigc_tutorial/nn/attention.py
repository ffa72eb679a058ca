"""Causal self-attention, and the cache of keys and values that makes generation fast."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.nn.norm import rms_norm
from aigc_tutorial.nn.position import rotate


class KeyValueCache:
    """Keys and values of the tokens read so far, in memory that was taken for the whole context.

    A further token is written behind the others: nothing grows, and nothing is copied. What lies
    behind ``length`` is never read, so that forgetting tokens is setting a smaller length.

    Attributes:
        memory: (L, 2, B, N, context, d): for each layer its keys and its values.
        length: number of tokens read.
    """

    def __init__(self, memory: Float[Tensor, "L 2 B N C d"], length: int = 0) -> None:
        self.memory = memory
        self.length = length
        self._flat = memory.view(-1, *memory.shape[2:])  # layer l's keys are at 2 l
        self._new: tuple[Tensor, ...] = ()
        self._all: tuple[Tensor, ...] = ()

    @classmethod
    def empty(
        cls,
        n_layers: int,
        batch_size: int,
        n_heads: int,
        context: int,
        width: int,
        *,
        like: Tensor,
    ) -> "KeyValueCache":
        """Take memory for ``context`` tokens, of the type and on the device of ``like``.

        Args:
            n_layers: L.
            batch_size: B.
            n_heads: N.
            context: how many tokens the cache can hold.
            width: D, of all heads together.
            like: for example one of the model's weights.
        """
        shape = (n_layers, 2, batch_size, n_heads, context, width // n_heads)
        return cls(torch.empty(shape, dtype=like.dtype, device=like.device))

    def reserve(self, tokens: Int64[Tensor, "B K"]) -> None:
        """Make room for K further tokens, which then count as read.

        Every layer must write its keys and values of them, by :meth:`extend`. The views of all
        layers are made here at once: one by one, they would cost more than writing a token does.

        Raises:
            ValueError: if the context is too short, or the batch is of another size.
        """
        _, batch_size, _, context, _ = self._flat.shape
        n_rows, n_new = tokens.shape
        start, stop = self.length, self.length + n_new
        if stop > context:
            raise ValueError(
                f"{start} tokens were read and {n_new} more do not fit into the context of "
                f"{context}; go on from a new state that has read the last tokens alone"
            )
        if n_rows != batch_size:
            raise ValueError(f"the state is of {batch_size} sequences, got tokens of {n_rows}")
        self._new = self._flat.narrow(3, start, n_new).unbind()
        self._all = self._flat.narrow(3, 0, stop).unbind()
        self.length = stop

    def extend(
        self, layer: int, keys: Float[Tensor, "B N K d"], values: Float[Tensor, "B N K d"]
    ) -> tuple[Float[Tensor, "B N T d"], Float[Tensor, "B N T d"]]:
        """Write a layer's keys and values of the K new tokens; return those of all T tokens."""
        i = 2 * layer
        self._new[i].copy_(keys)
        self._new[i + 1].copy_(values)
        return self._all[i], self._all[i + 1]

    def select_rows(self, rows: Int64[Tensor, " R"]) -> "KeyValueCache":
        """A new cache whose batch consists of the given rows of this one."""
        layers, two, _, heads, context, width = self.memory.shape
        memory = self.memory.new_empty(layers, two, len(rows), heads, context, width)
        read = self.memory[..., : self.length, :]
        memory[..., : self.length, :] = read.index_select(2, rows)
        return KeyValueCache(memory, self.length)

    def truncate(self, length: int) -> "KeyValueCache":
        """The cache after the first ``length`` tokens; it shares the memory of this one."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot go back to {length} tokens, {self.length} were read")
        return KeyValueCache(self.memory, length)


class CausalSelfAttention(nn.Module):
    r"""Each token looks at itself and those before it, with several heads.

    .. math:: \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt d} + M\right) V,
        \qquad M_{mn} = \begin{cases} 0 & n \le m \\ -\infty & n > m \end{cases}

    Sources: Vaswani et al. (2017), arXiv 1706.03762, equation 1; for the normalised queries and
    keys, which keep the logits of attention from growing, Henry et al. (2020), arXiv 2010.04245.
    """

    def __init__(self, width: int, n_heads: int, *, bias: bool, qk_norm: bool) -> None:
        """Make the two linear maps.

        Args:
            width: D, must be a multiple of ``n_heads``.
            n_heads: N.
            bias: whether the linear maps have one.
            qk_norm: whether queries and keys are scaled to root mean square 1.
        """
        super().__init__()
        if width < 1 or n_heads < 1 or width % n_heads:
            raise ValueError(f"width {width} cannot be divided among {n_heads} heads evenly")
        self.n_heads = n_heads
        self.qk_norm = qk_norm
        self.query_key_value = nn.Linear(width, 3 * width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)

    def forward(
        self,
        x: Float[Tensor, "B K D"],
        mask: Bool[Tensor, "*batch K T"] | None = None,
        rotation: tuple[Tensor, Tensor] | None = None,
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B K D"]:
        """Gather from the visible tokens.

        Args:
            x: features of K tokens, which follow those in the cache.
            mask: True where a query may look, as in :func:`attend`; None for plain causality.
            rotation: see :func:`aigc_tutorial.nn.position.rotate`; None for no positions.
            cache: receives keys and values of these tokens.
            layer: whose part of the cache this is.
        """
        queries, keys, values = self.project(x, rotation)
        if cache is not None:
            keys, values = cache.extend(layer, keys, values)
        return self.output(attend(queries, keys, values, mask).transpose(1, 2).reshape(x.shape))

    def project(
        self, x: Float[Tensor, "B T D"], rotation: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Float[Tensor, "B N T d"], Float[Tensor, "B N T d"], Float[Tensor, "B N T d"]]:
        """Queries, keys and values of each head, normalised and rotated."""
        batch, time, _ = x.shape
        heads = self.query_key_value(x).view(batch, time, 3 * self.n_heads, -1).transpose(1, 2)
        if rotation is None and not self.qk_norm:
            queries, keys, values = heads.chunk(3, dim=1)
            return queries, keys, values
        # Queries and keys are treated alike: together, they cost as many operations as one.
        both, values = heads.split((2 * self.n_heads, self.n_heads), dim=1)
        if self.qk_norm:
            both = rms_norm(both)
        if rotation is not None:
            both = rotate(both, rotation)
        queries, keys = both.chunk(2, dim=1)
        return queries, keys, values

    def maps(
        self,
        x: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "*batch T T"] | None = None,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "B N T T"]:
        """How much each token takes from each: the softmax that :meth:`forward` never forms."""
        queries, keys, _ = self.project(x, rotation)
        return attention_probabilities(queries, keys, mask)


def attend(
    queries: Float[Tensor, "B N K d"],
    keys: Float[Tensor, "B N T d"],
    values: Float[Tensor, "B N T d"],
    mask: Bool[Tensor, "*batch K T"] | None = None,
) -> Float[Tensor, "B N K d"]:
    """Scaled dot-product attention of the last K of T tokens.

    Args:
        queries: of the last K tokens.
        keys: of all tokens.
        values: of all tokens.
        mask: True where a query may look. None for plain causality, which the fast kernels know
            without being shown a mask.

    Raises:
        ValueError: if the mask is not of truth values, or if there are more queries than keys.
    """
    n_queries, n_keys = queries.shape[2], keys.shape[2]
    _check_visible(n_queries, n_keys, mask)
    if mask is None and n_queries not in (1, n_keys):
        mask = causal_mask(n_queries, n_keys, device=queries.device)
    # One query is the last token's, which sees everything. While the model is exported, a number of
    # queries that is not fixed compares to a symbol, which the kernel would not take.
    is_causal = mask is None and bool(n_queries > 1)
    if queries.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # A processor's kernel takes five times as long for its gradient in half precision.
        with torch.autocast("cpu", enabled=False):
            return attend(queries.float(), keys.float(), values.float(), mask)
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=is_causal
    )


def attention_probabilities(
    queries: Float[Tensor, "B N K d"],
    keys: Float[Tensor, "B N T d"],
    mask: Bool[Tensor, "*batch K T"] | None = None,
) -> Float[Tensor, "B N K T"]:
    """The weights with which :func:`attend` averages the values; every row sums to 1.

    The row of a query that may look nowhere is zero, as its average is.

    Raises:
        ValueError: if the mask is not of truth values, or if there are more queries than keys.
    """
    _check_visible(queries.shape[2], keys.shape[2], mask)
    if mask is None:
        mask = causal_mask(queries.shape[2], keys.shape[2], device=queries.device)
    scores = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
    # The smallest number and not -inf, of which alone the softmax would be NaN.
    least = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, least).softmax(dim=-1).masked_fill(~mask, 0)


def causal_mask(
    n_queries: int, n_keys: int, *, device: torch.device | str = "cpu"
) -> Bool[Tensor, "{n_queries} {n_keys}"]:
    """True where a token is no later than the query; the queries are the last of the keys."""
    ones = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device)
    return ones.tril(n_keys - n_queries)


def _check_visible(
    n_queries: int | torch.SymInt, n_keys: int | torch.SymInt, mask: Tensor | None
) -> None:
    """Refuse masks that torch would add to the logits, and queries that see nothing."""
    if mask is None and n_queries > n_keys:
        raise ValueError(
            f"the queries are the last of the keys, got {n_queries} queries and {n_keys} keys; "
            "the first of them would see nothing. Give a mask if it is meant otherwise"
        )
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(
            f"a mask says True where a query may look, got numbers of type {mask.dtype}, which "
            "would be added to the logits; compare them, as in mask > 0.5"
        )


def segment_mask(segments: Int64[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """True where a token is no later than the query and of the same segment."""
    same = segments[:, None, :, None] == segments[:, None, None, :]
    return same & causal_mask(segments.shape[1], segments.shape[1], device=segments.device)
