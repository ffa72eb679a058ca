"""Sequences with one right answer: what a model can carry over a distance, and what it cannot.

Each task gives tokens and a mask. The mask is True at the tokens of the answer, the only ones that
can be known: everything before is drawn at random. Averaging ``model.nll(tokens, mask)`` over the
mask measures the answers alone.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


@dataclass(frozen=True)
class CopyTask:
    """Say again what was said before the separator.

    A sequence is ``a b c | a b c``: ``length`` random symbols, the separator, the same symbols. The
    answer is everything after the separator.

    >>> task = CopyTask(n_symbols=8, length=3)
    >>> tokens, mask = task.sample(1, generator=torch.Generator().manual_seed(0))
    >>> tokens.shape, tokens[0, 3].item(), mask[0].int().tolist()
    (torch.Size([1, 7]), 8, [0, 0, 0, 0, 1, 1, 1])

    Attributes:
        n_symbols: symbols are the tokens 0 … n_symbols - 1.
        length: symbols to copy.
    """

    n_symbols: int = 8
    length: int = 10

    def __post_init__(self) -> None:
        """Check that there is something to copy."""
        if self.n_symbols < 1 or self.length < 1:
            raise ValueError(
                "n_symbols and length must be at least 1, "
                f"got n_symbols={self.n_symbols} and length={self.length}"
            )

    @property
    def separator(self) -> int:
        """The token between a sequence and its copy: the last of the vocabulary."""
        return self.n_symbols

    @property
    def vocab_size(self) -> int:
        """The symbols and the separator."""
        return self.n_symbols + 1

    def sample(
        self, n_sequences: int, *, generator: torch.Generator
    ) -> tuple[Int64[Tensor, "n_sequences T"], Bool[Tensor, "n_sequences T"]]:
        """Draw sequences of 2 · ``length`` + 1 tokens, and the mask of their answers."""
        symbols = torch.randint(self.n_symbols, (n_sequences, self.length), generator=generator)
        separator = torch.full((n_sequences, 1), self.separator)
        tokens = torch.cat([symbols, separator, symbols], dim=1)
        return tokens, _mask_last(tokens, self.length)


@dataclass(frozen=True)
class RecallTask:
    """Give the value that stood beside a key: associative recall.

    A sequence is ``k v k v k v k`` and the answer ``v``: pairs with different keys and random
    values, then one of the keys again, then its value.

    Attributes:
        n_keys: keys are the tokens 0 … n_keys - 1.
        n_values: values are the tokens n_keys … n_keys + n_values - 1.
        n_pairs: pairs in a sequence, at most ``n_keys``.

    Source: the task of Ba et al. (2016), Using fast weights to attend to the recent past.
    """

    n_keys: int = 16
    n_values: int = 16
    n_pairs: int = 8

    def __post_init__(self) -> None:
        """Check that there are enough keys."""
        if not 1 <= self.n_pairs <= self.n_keys or self.n_values < 1:
            raise ValueError(
                "expected 1 to n_keys pairs and at least one value, got "
                f"n_pairs={self.n_pairs}, n_keys={self.n_keys}, n_values={self.n_values}"
            )

    @property
    def vocab_size(self) -> int:
        """The keys and the values."""
        return self.n_keys + self.n_values

    def sample(
        self, n_sequences: int, *, generator: torch.Generator
    ) -> tuple[Int64[Tensor, "n_sequences T"], Bool[Tensor, "n_sequences T"]]:
        """Draw sequences of 2 · ``n_pairs`` + 2 tokens, and the mask of their answers."""
        shuffled = torch.rand(n_sequences, self.n_keys, generator=generator).argsort(dim=1)
        keys = shuffled[:, : self.n_pairs]
        values = self.n_keys + torch.randint(self.n_values, keys.shape, generator=generator)
        asked = torch.randint(self.n_pairs, (n_sequences, 1), generator=generator)
        pairs = torch.stack([keys, values], dim=2).flatten(1)
        tokens = torch.cat([pairs, keys.gather(1, asked), values.gather(1, asked)], dim=1)
        return tokens, _mask_last(tokens, 1)


def _mask_last(tokens: Int64[Tensor, "N T"], n: int) -> Bool[Tensor, "N T"]:
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    mask[:, -n:] = True
    return mask
