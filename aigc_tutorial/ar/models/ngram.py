r"""n-grams: the next token as it was counted after the last few, smoothed by Kneser and Ney.

The oldest of language models and still the first one to beat. Nothing is trained:
:meth:`NGramModel.fit` counts, once.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import as_mask, as_tokens, check_range, check_shape, on_cpu
from aigc_tutorial.config import Config
from aigc_tutorial.integers import IntegersLike, as_int64


@dataclass(frozen=True)
class NGramConfig(Config):
    """Configuration of :class:`NGramModel`.

    Attributes:
        vocab_size: V, number of tokens.
        order: n; a token is predicted from the n - 1 before it, so order 1 predicts from nothing.
        discount: d, what each count gives up in favour of tokens that were not seen.
    """

    vocab_size: int
    order: int = 5
    discount: float = 0.75

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("vocab_size", "order", at_least=1)
        if not 0 < self.discount < 1:
            raise ValueError(f"discount must lie between 0 and 1, got {self.discount}")
        # From order 63 on no vocabulary is small enough; a huge power would be computed for ever.
        if (self.vocab_size + 1) ** min(self.order, 63) >= 2**63:
            raise ValueError(
                f"{self.order}-grams of {self.vocab_size} tokens cannot be numbered in 64 bits; "
                "take a lower order or a smaller vocabulary"
            )


class NGramModel(AutoregressiveModel):
    r"""Interpolated Kneser–Ney smoothing of n-gram counts.

    Let c(h, x) be how often token x followed the context h, the n - 1 tokens before it. The bare
    ratio c(h, x) / c(h) forbids all that was never seen. So every count gives up a discount d, and
    what that saves is spread as a shorter context h′, without the oldest token, predicts:

    .. math:: p(x \mid h) = \frac{\max(c(h, x) - d, 0)}{c(h)}
              + \frac{d \, |\{x' : c(h, x') > 0\}|}{c(h)} \, p(x \mid h')

    and so on, down to the empty context and at last 1 / V. A context that was never seen predicts
    what its shorter one does. The shorter contexts are asked about what is rare, so they count
    differently: c(h′, x) is not how often x followed h′ but after how many different tokens the
    sequence h′x occurred. "Francisco" is frequent, but after "San" alone; where nothing is known it
    is a bad guess.

    What lies before the first token counts as a token of its own, so that the beginning of a
    sequence is a context like any other.

    Sources: Kneser & Ney (1995), Improved backing-off for m-gram language modeling; interpolated as
    in Chen & Goodman (1999), An empirical study of smoothing techniques for language modeling.
    """

    config_class = NGramConfig
    config: NGramConfig

    def __init__(self, config: NGramConfig) -> None:
        super().__init__(config)
        for length in range(1, config.order + 1):
            self._set_counts(length, torch.empty(0), torch.empty(0))

    @property
    def device(self) -> torch.device:
        """Where the counts are; there are no parameters."""
        return next(self.buffers()).device

    def fit(
        self,
        tokens: Int64[Tensor, "*B T"] | IntegersLike,
        mask: Bool[Tensor, "*B T"] | None = None,
    ) -> "NGramModel":
        """Count all n-grams of a text, or of several; earlier counts are replaced.

        As everywhere, the first token of a sequence is given: it is a context and is not counted.

        Args:
            tokens: one long text, or a batch of sequences.
            mask: True at the tokens to count, as :meth:`nll` takes it: False at padding, or at all
                that is not the answer of a task. What stands before a token is its context, whether
                it counts itself or not; in packed rows that is the end of the sequence before, too.

        Returns:
            The model itself.

        Raises:
            ValueError: if there is nothing to count: no sequence of two tokens, or a mask that is
                False everywhere; or if tokens or mask do not fit.
        """
        tokens = as_int64(tokens, "tokens", "encode a text with a tokenizer").to(self.device)
        if tokens.numel() == 0 or tokens.ndim == 0 or tokens.shape[-1] < 2:
            raise ValueError(
                "there is nothing to count: the first token of a sequence is given, so one of two "
                f"tokens or more is needed, got {tuple(tokens.shape)}"
            )
        rows = as_tokens(tokens.reshape(-1, tokens.shape[-1]), self.vocab_size)
        if mask is not None:
            mask = as_mask(mask, tokens.shape).to(self.device)
        order = self.config.order
        ngrams = self._last_tokens(rows)[:, 1:]
        if mask is not None:
            ngrams = ngrams[mask.reshape(rows.shape)[:, 1:]]
            if len(ngrams) == 0:
                raise ValueError("there is nothing to count: the mask leaves no token to predict")
        ngrams, counts = ngrams.flatten().unique(return_counts=True)
        self._set_counts(order, ngrams, counts)
        for length in range(order - 1, 0, -1):
            # Each distinct longer n-gram counts once: so the counts are of different predecessors.
            ngrams, counts = (ngrams % self._n_codes(length)).unique(return_counts=True)
            self._set_counts(length, ngrams, counts)
        return self

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Log-probabilities of the token after each; those of a softmax are its logits, too.

        A model that has counted nothing is uniform.
        """
        check_shape(tokens)
        if on_cpu(tokens):  # an embedding refuses what it does not have; counting would not
            check_range(tokens, self.vocab_size)
        history = self._last_tokens(tokens)
        shape = (*tokens.shape, self.vocab_size)
        p = torch.full(shape, 1 / self.vocab_size, dtype=torch.float64, device=tokens.device)
        for length in range(1, self.config.order + 1):
            counts = self._counts_after(history % self._n_codes(length - 1), length)
            total = counts.sum(-1, keepdim=True)
            kept = (counts - self.config.discount).clamp(min=0)
            saved = total - kept.sum(-1, keepdim=True)
            p = torch.where(total > 0, (kept + saved * p) / total.clamp(min=1), p)
        return p.log().float()

    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens; of those before them only the last n - 2 are looked at again."""
        seen = torch.cat([state, tokens], dim=1)
        n_new = tokens.shape[1]
        recent = seen[:, -(n_new + max(self.config.order - 2, 0)) :]
        return self(recent)[:, -n_new:], seen

    def _n_codes(self, length: int) -> int:
        """How many sequences of ``length`` there are, of V tokens and the beginning's own."""
        return (self.vocab_size + 1) ** length

    def _last_tokens(self, tokens: Int64[Tensor, "B T"]) -> Int64[Tensor, "B T"]:
        """At each position the last n tokens, that one included, as one number.

        They are its digits, the newest one last; the last k of them are the remainder by
        ``_n_codes(k)``. The beginning is the digit V.
        """
        padded = pad(tokens, (self.config.order - 1, 0), value=self.vocab_size)
        code = torch.zeros_like(tokens)
        for digit in range(self.config.order):
            code = code * self._n_codes(1) + padded[:, digit : digit + tokens.shape[1]]
        return code

    def _counts_after(self, contexts: Int64[Tensor, "B T"], length: int) -> Float[Tensor, "B T V"]:
        """How often each token came after each context, as a last token of ``length``."""
        ngrams = self.get_buffer(f"ngrams_{length}")
        counts = self.get_buffer(f"counts_{length}")
        if len(ngrams) == 0:
            return torch.zeros(*contexts.shape, self.vocab_size, device=contexts.device).double()
        vocabulary = torch.arange(self.vocab_size, device=contexts.device)
        wanted = contexts[..., None] * self._n_codes(1) + vocabulary
        found = torch.searchsorted(ngrams, wanted).clamp(max=len(ngrams) - 1)
        return torch.where(ngrams[found] == wanted, counts[found], 0).double()

    def _set_counts(self, length: int, ngrams: Tensor, counts: Tensor) -> None:
        """Keep n-grams of one length, sorted, and the count of each."""
        self.register_buffer(f"ngrams_{length}", ngrams.long())
        self.register_buffer(f"counts_{length}", counts.long())

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Make room for as many n-grams as were counted: torch expects equal sizes."""
        for name, buffer in list(self.named_buffers()):
            if prefix + name in state_dict:
                size = len(state_dict[prefix + name])
                self.register_buffer(name, buffer.new_empty(size))
        super()._load_from_state_dict(state_dict, prefix, *args)
