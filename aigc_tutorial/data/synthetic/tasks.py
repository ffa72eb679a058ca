"""Sequences with one right answer: what a model can carry over a distance, and what it cannot.

Each task gives tokens and a mask. The mask is True at the tokens of the answer, the only ones that
can be known: everything before is drawn at random. Averaging ``model.nll(tokens, mask)`` over the
mask measures the answers alone.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class CopyTask:
    """Say again what was said before the separator.

    A sequence is ``a b c | a b c``: ``length`` random symbols, the separator, the same symbols. The
    answer is everything after the separator.

    >>> task = CopyTask(n_symbols=8, length=3)
    >>> tokens, mask = task.sample(1, rng=torch.Generator().manual_seed(0))
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
        self, n_sequences: int, *, rng: torch.Generator
    ) -> tuple[Int64[Tensor, "n_sequences T"], Bool[Tensor, "n_sequences T"]]:
        """Draw sequences of 2 · ``length`` + 1 tokens, and the mask of their answers."""
        as_count(n_sequences, "n_sequences")
        require_rng(rng)
        symbols = torch.randint(
            self.n_symbols, (n_sequences, self.length), generator=rng, device="cpu"
        )
        separator = torch.full((n_sequences, 1), self.separator, device="cpu")
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
        self, n_sequences: int, *, rng: torch.Generator
    ) -> tuple[Int64[Tensor, "n_sequences T"], Bool[Tensor, "n_sequences T"]]:
        """Draw sequences of 2 · ``n_pairs`` + 2 tokens, and the mask of their answers."""
        as_count(n_sequences, "n_sequences")
        require_rng(rng)
        shuffled = torch.rand(
            n_sequences, self.n_keys, generator=rng, dtype=torch.float32, device="cpu"
        ).argsort(dim=1)
        keys = shuffled[:, : self.n_pairs]
        values = self.n_keys + torch.randint(self.n_values, keys.shape, generator=rng, device="cpu")
        asked = torch.randint(self.n_pairs, (n_sequences, 1), generator=rng, device="cpu")
        pairs = torch.stack([keys, values], dim=2).flatten(1)
        tokens = torch.cat([pairs, keys.gather(1, asked), values.gather(1, asked)], dim=1)
        return tokens, _mask_last(tokens, 1)


@dataclass(frozen=True)
class DelayTask:
    """Say one symbol again after a delay, with other tokens in between.

    A sequence is ``n n S n n n S``: noise, one symbol somewhere in it, noise, and the symbol as the
    answer. Symbols and noise are different tokens, so it is plain what has to be kept; the only
    question is for how long.

    >>> task = DelayTask(n_symbols=8, n_noise=8, max_lag=4)
    >>> tokens, lags, mask = task.sample(100, rng=torch.Generator().manual_seed(0))
    >>> tokens.shape, bool((tokens[:, -1] < 8).all()), int(lags.max())
    (torch.Size([100, 6]), True, 4)

    Attributes:
        n_symbols: symbols are the tokens 0 … n_symbols - 1.
        n_noise: noise is the tokens n_symbols … n_symbols + n_noise - 1.
        max_lag: how many tokens the symbol lies before the answer at most.
    """

    n_symbols: int = 8
    n_noise: int = 8
    max_lag: int = 32

    def __post_init__(self) -> None:
        """Check that there is something to keep."""
        if min(self.n_symbols, self.n_noise, self.max_lag) < 1:
            raise ValueError(f"all sizes must be at least 1, got {self}")

    @property
    def vocab_size(self) -> int:
        """The symbols and the noise."""
        return self.n_symbols + self.n_noise

    def sample(
        self, n_sequences: int, *, lag: int | None = None, rng: torch.Generator
    ) -> tuple[
        Int64[Tensor, "n_sequences T"],
        Int64[Tensor, " n_sequences"],
        Bool[Tensor, "n_sequences T"],
    ]:
        """Draw sequences of ``max_lag`` + 2 tokens.

        Args:
            n_sequences: how many.
            lag: distance from the symbol to the answer; by default drawn for each sequence, all
                distances equally often.
            rng: source of randomness.

        Returns:
            The tokens, the distance in each sequence, and the mask of the answers.

        Raises:
            ValueError: if ``lag`` is not one of 1 … max_lag.
        """
        as_count(n_sequences, "n_sequences")
        require_rng(rng)
        if lag is not None and not 1 <= lag <= self.max_lag:
            raise ValueError(f"lag must lie between 1 and {self.max_lag}, got {lag}")
        shape = (n_sequences, self.max_lag + 1)
        noise = self.n_symbols + torch.randint(self.n_noise, shape, generator=rng, device="cpu")
        symbols = torch.randint(self.n_symbols, (n_sequences, 1), generator=rng, device="cpu")
        lags = torch.randint(1, self.max_lag + 1, (n_sequences, 1), generator=rng, device="cpu")
        if lag is not None:
            lags = torch.full_like(lags, lag)
        before = noise.scatter(1, self.max_lag + 1 - lags, symbols)
        tokens = torch.cat([before, symbols], dim=1)
        return tokens, lags[:, 0], _mask_last(tokens, 1)


def _mask_last(tokens: Int64[Tensor, "N T"], n: int) -> Bool[Tensor, "N T"]:
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    mask[:, -n:] = True
    return mask
