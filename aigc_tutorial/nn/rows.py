"""Sequences of unequal length in one batch, each computed as if it were alone.

Readers that come and go share a batch: each has a row of it, and rows are as long as they are. What
is computed for one must not depend on the others, to the last bit: a token is drawn where two
numbers are compared, and one that differs by rounding alone is another token now and then.

Two things see to that. Attention always looks at memory of one size, behind a mask. And a product
with a matrix is computed for :data:`GROUP` rows at a time: which instructions a library chooses,
and so in which order it adds up, depends on how many rows it is given. On a processor, rows are
then the same bits whoever is beside them, a test says; elsewhere a library may still choose by the
number of groups.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.nn.attention import KeyValueCache

GROUP = 4
"""Rows of one matrix product. Four take hardly longer than one, and eight nearly twice as long."""


def linear(
    x: Float[Tensor, "R D"], weight: Float[Tensor, "E D"], bias: Float[Tensor, " E"] | None = None
) -> Float[Tensor, "R E"]:
    """A linear map of each row, in matrix products of :data:`GROUP` rows each.

    Args:
        x: the rows; R is a multiple of :data:`GROUP`.
        weight: as ``nn.Linear`` keeps it.
        bias: what is added to each result, if anything.
    """
    groups = x.view(-1, GROUP, x.shape[1])
    product = torch.bmm(groups, weight.t().expand(len(groups), -1, -1)).view(len(x), -1)
    return product if bias is None else product + bias


def whole_groups(n_rows: int) -> int:
    """The least number of rows that holds ``n_rows`` and consists of whole groups."""
    return -(-n_rows // GROUP) * GROUP


def are_plain(module: nn.Module, kinds: Iterable[type[nn.Module]]) -> bool:
    """Whether a module and all its parts are exactly of these kinds, and nobody listens to them.

    What reads weights without calling the modules may do so only then: a layer that was replaced,
    by an adapter for example, computes something else.
    """
    allowed = set(kinds)
    return all(
        type(part) in allowed and not part._forward_hooks and not part._forward_pre_hooks
        for part in module.modules()
    )


class RowCache:
    """Keys and values of sequences of unequal length, each in a row of its own.

    A row is free, or holds a sequence that grows by a token a step. Free rows take part in every
    step, and what comes out for them means nothing.

    Attributes:
        lengths: (R,) tokens read of each sequence; 0 of a free row.
    """

    def __init__(
        self, n_layers: int, n_rows: int, n_heads: int, context: int, width: int, *, like: Tensor
    ) -> None:
        """Take memory for ``context`` tokens in each row.

        Args:
            n_layers: L.
            n_rows: R, a multiple of :data:`GROUP`.
            n_heads: N.
            context: how many tokens a row can hold.
            width: D, of all heads together.
            like: for example one of the model's weights: its type and its device are taken.
        """
        shape = (n_layers, n_rows, context, 2, n_heads, width // n_heads)
        # Zeros, since what lies behind a mask is multiplied by 0, and garbage may be NaN.
        self._memory = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self._flat = self._memory.view(n_layers, n_rows * context, -1)
        self._context = context
        self._begins = torch.arange(0, n_rows * context, context, device=like.device)
        self._places = torch.arange(context, device=like.device)
        self.lengths = torch.zeros(n_rows, dtype=torch.int64, device=like.device)
        self._grows = torch.zeros_like(self.lengths)
        self._new = self._begins
        self._visible = torch.zeros(n_rows, 1, 1, context, dtype=torch.bool, device=like.device)

    def put(self, row: int, cache: KeyValueCache) -> None:
        """Let a row hold the sequence that a cache of a single one has read."""
        length = cache.length
        read = cache.memory[:, :, 0, :, :length]  # (L, 2, N, T, d)
        self._memory[:, row, :length] = read.permute(0, 3, 1, 2, 4)
        self.lengths[row] = length
        self._grows[row] = 1

    def free(self, row: int) -> None:
        """Forget the sequence of a row."""
        self.lengths[row] = 0
        self._grows[row] = 0

    def reserve(self, n_rows: int) -> Int64[Tensor, " {n_rows}"]:
        """Make room for one further token in each of the first ``n_rows`` rows.

        It counts as read; every layer must write its keys and values of it, by :meth:`extend`.

        Returns:
            The position of the new token in its row.

        Raises:
            ValueError: if a row is full.
        """
        positions = self.lengths[:n_rows].clone()
        if int(positions.max()) >= self._context:
            raise ValueError(
                f"a row holds {self._context} tokens already and takes no further one; begin it "
                "anew with the last tokens alone"
            )
        self._new = self._begins[:n_rows] + positions
        self._visible = (self._places <= positions[:, None])[:, None, None]
        self.lengths[:n_rows] += self._grows[:n_rows]
        return positions

    def extend(
        self, layer: int, keys: Float[Tensor, "R N d"], values: Float[Tensor, "R N d"]
    ) -> tuple[Float[Tensor, "R N C d"], Float[Tensor, "R N C d"], Bool[Tensor, "R 1 1 C"]]:
        """Write a layer's keys and values of the new tokens.

        Returns:
            Keys and values of all that the rows have room for, and a mask that is True where there
            is a token.
        """
        n_rows = len(keys)
        new = torch.cat([keys.reshape(n_rows, -1), values.reshape(n_rows, -1)], dim=1)
        self._flat[layer].index_copy_(0, self._new, new)
        rows = self._memory[layer, :n_rows].permute(2, 0, 3, 1, 4)
        return rows[0], rows[1], self._visible


class RowMemory:
    """What a model keeps of sequences of unequal length, a row for each, to read all at once.

    Attributes:
        cache: keys and values.
    """

    def __init__(self, cache: RowCache) -> None:
        self.cache = cache

    def put(self, row: int, state: Any) -> None:
        """Let a row go on from the state of a single sequence."""
        self.cache.put(row, state.cache)

    def free(self, row: int) -> None:
        """Forget the sequence of a row."""
        self.cache.free(row)
