"""Batches for sequence models: windows of one long text, padded and packed sequences."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import IntegersLike, as_count, as_int64
from aigc_tutorial.tensors import content_hash


class TokenWindows:
    """Batches of windows cut from one long sequence of tokens, without end.

    An epoch cuts the sequence into windows that follow each other and shuffles them: every token is
    predicted once. The next epoch cuts elsewhere, so that a token meets a new beginning. Windows at
    random offsets would show a part of the text twice before another part is shown at all.

    A window holds ``context + 1`` tokens: the last one of a window is the first one of the next,
    there to be predicted, here given.

    >>> windows = TokenWindows(torch.arange(1_000), 64, 8, rng=torch.Generator())
    >>> next(windows).shape
    torch.Size([8, 65])
    """

    def __init__(
        self,
        tokens: Int64[Tensor, " N"] | IntegersLike,
        context: int,
        batch_size: int,
        *,
        rng: torch.Generator,
    ) -> None:
        """Start before the first epoch; no order is drawn yet.

        Args:
            tokens: the text, on any device.
            context: tokens that a window gives, and also tokens that it asks for.
            batch_size: windows in a batch. The last batch of an epoch is dropped if it is short.
            rng: draws where to cut and the order; must be this object's own.

        Raises:
            ValueError: if the text is too short for one batch, or no vector of whole numbers.
            TypeError: if ``rng`` is no generator of torch's.
        """
        tokens = as_int64(tokens, "tokens", "encode a text with a tokenizer")
        if tokens.ndim != 1:
            raise ValueError(
                f"expected one long text of shape (N,), got the shape {tuple(tokens.shape)}; "
                "separate rows need no windows"
            )
        context, batch_size = as_count(context, "context"), as_count(batch_size, "batch_size")
        n_needed = (batch_size + 1) * context  # what is left after the largest first offset
        if len(tokens) < n_needed:
            raise ValueError(
                f"{batch_size} windows of {context} tokens need a text of {n_needed} tokens, got "
                f"{len(tokens)}; make the batch or the context smaller"
            )
        self.tokens = tokens
        self.context = context
        self.batch_size = batch_size
        self.rng = require_rng(rng)
        self._within = torch.arange(context + 1, device=tokens.device)
        self._starts = torch.empty(0, dtype=torch.int64, device=tokens.device)
        self._position = 0

    def __iter__(self) -> "TokenWindows":
        """The iterator itself: a second ``for`` goes on where the first stopped."""
        return self

    def __next__(self) -> Int64[Tensor, "B T"]:
        """The next batch, where T = context + 1."""
        if self._position + self.batch_size > len(self._starts):
            self._starts, self._position = self._draw_starts(), 0
        starts = self._starts[self._position : self._position + self.batch_size]
        self._position += self.batch_size
        return self.tokens[starts[:, None] + self._within]

    def _draw_starts(self) -> Tensor:
        rng, where = self.rng, self.rng.device
        first = int(torch.randint(self.context, (1,), generator=rng, device=where))
        n_windows = (len(self.tokens) - 1 - first) // self.context
        order = torch.randperm(n_windows, generator=rng, device=where)
        return (first + self.context * order).to(self.tokens.device)

    def identity(self) -> dict[str, Any]:
        """What tells these windows from those of another text or another seed."""
        return {
            "data (their fingerprint)": content_hash(self.tokens),
            "seed of the batches": self.rng.initial_seed(),
        }

    def state_dict(self) -> dict[str, Tensor | int]:
        """All that the coming batches depend on, besides the text; a copy, on the CPU."""
        return {
            "n_tokens": len(self.tokens),
            "context": self.context,
            "batch_size": self.batch_size,
            "position": self._position,
            "starts": self._starts.to("cpu", copy=True),
            "rng": self.rng.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Go on exactly where :meth:`state_dict` was taken, in the middle of an epoch too.

        Raises:
            ValueError: if the state was taken with another text length, context or batch size.
        """
        names = ("n_tokens", "context", "batch_size")
        saved = {name: int(state[name]) for name in names}
        own = dict(zip(names, (len(self.tokens), self.context, self.batch_size), strict=True))
        if saved != own:
            raise ValueError(f"the state was saved with {saved}, this has {own}")
        self._starts = torch.as_tensor(state["starts"], device="cpu").to(
            self.tokens.device, copy=True
        )
        self._position = int(state["position"])
        self.rng.set_state(torch.as_tensor(state["rng"], device="cpu"))


def pad_sequences(
    sequences: Sequence[Int64[Tensor, " _"] | IntegersLike], *, padding: int = 0
) -> tuple[Int64[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Put sequences of any lengths into one tensor, a row each.

    Args:
        sequences: each a vector of tokens.
        padding: token to fill up with; a causal model never looks at it before the end.

    Returns:
        The tokens, as long as the longest sequence, and a mask that is False at padding.

    Raises:
        ValueError: if there is no sequence, one has no two tokens, or the padding is no token.
    """
    vectors, padding = _as_vectors(sequences), _as_padding(padding)
    rows = torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True, padding_value=float(padding))
    lengths = torch.tensor([len(vector) for vector in vectors], device=rows.device)
    return rows, torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]


def pack_sequences(
    sequences: Sequence[Int64[Tensor, " _"] | IntegersLike], row_length: int, *, padding: int = 0
) -> tuple[Int64[Tensor, "B T"], Bool[Tensor, "B T"], Int64[Tensor, "B T"]]:
    """Put several sequences into each row, so that little is computed on padding.

    First fit: a sequence goes into the first row that has room for it, and opens a new row when
    none has. At most one row is left half empty or emptier, so the rows are fewer than twice the
    least possible number.

    Args:
        sequences: each a vector of tokens.
        row_length: T, length of every row; a model with a limited context takes ``context + 1``.
        padding: token to fill up with.

    Returns:
        The tokens; a mask that is True at the tokens to predict, so False at padding and at each
        sequence's first token, which is given; and segment numbers, 1, 2, … along a row and 0 at
        padding. Attention between different segments must be switched off.

    Raises:
        ValueError: if there is no sequence, one has no two tokens or is longer than a row, or the
            padding is no token.
    """
    vectors, padding = _as_vectors(sequences), _as_padding(padding)
    row_length = as_count(row_length, "row_length")
    if (longest := max(map(len, vectors))) > row_length:
        raise ValueError(
            f"a sequence of {longest} tokens does not fit into rows of {row_length}; cut it first"
        )
    rows: list[list[Tensor]] = []
    room: list[int] = []
    # A row without room for a length never has room for it again: the search goes on behind it.
    search_from: Counter[int] = Counter()
    for sequence in vectors:
        length = len(sequence)
        row = search_from[length]
        while row < len(rows) and room[row] < length:
            row += 1
        search_from[length] = row
        if row == len(rows):
            rows.append([])
            room.append(row_length)
        rows[row].append(sequence)
        room[row] -= length
    shape, device = (len(rows), row_length), vectors[0].device
    tokens = torch.full(shape, padding, dtype=torch.int64, device=device)
    mask = torch.zeros(shape, dtype=torch.bool, device=device)
    segments = torch.zeros(shape, dtype=torch.int64, device=device)
    for i, row_sequences in enumerate(rows):
        start = 0
        for number, sequence in enumerate(row_sequences, start=1):
            stop = start + len(sequence)
            tokens[i, start:stop] = sequence
            mask[i, start + 1 : stop] = True
            segments[i, start:stop] = number
            start = stop
    return tokens, mask, segments


def _as_padding(padding: Any) -> int:
    """A token to fill up with; that of a tokenizer which has none is None."""
    if padding is None:
        raise ValueError(
            "padding must be a token, got None: the tokenizer has none for it. Make it with "
            'special_tokens=("pad",), or leave padding away: what the mask leaves out is never read'
        )
    return as_count(padding, "padding", at_least=-(2**63))


def _as_vectors(sequences: Sequence[Any]) -> list[Tensor]:
    """Sequences as vectors of int64 that are long enough to predict something."""
    vectors = [as_int64(sequence, "a sequence") for sequence in sequences]
    if not vectors:
        raise ValueError("expected at least one sequence, got none")
    if shapes := {tuple(vector.shape) for vector in vectors if vector.ndim != 1}:
        raise ValueError(f"expected each sequence as a vector of tokens, got the shapes {shapes}")
    if (shortest := min(map(len, vectors))) < 2:
        raise ValueError(
            "a sequence needs two tokens or more, the first one given and the others predicted, "
            f"got one of {shortest}"
        )
    return vectors
