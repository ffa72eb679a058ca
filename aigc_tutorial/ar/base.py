"""What every autoregressive model of this package can do."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.ar.generation.sampling import SamplingConfig
from aigc_tutorial.nn import Pretrained


class AutoregressiveModel(Pretrained):
    r"""Gives a sequence's probability one token at a time.

    .. math:: p(x_1, \dots, x_T \mid x_0) = \prod_{t=1}^{T} p(x_t \mid x_0, \dots, x_{t-1})

    The first token :math:`x_0` is given: a token that marks the beginning, or the start of a
    prompt. A subclass defines ``forward`` and a configuration with ``vocab_size``. What it must
    keep is causality: the logits at position t depend on ``tokens[:, :t + 1]`` alone.

    To generate, a model carries a state from token to token. The state of this class is the tokens
    so far, and every step computes all of them again; that is slow and right for any causal model.
    A subclass that knows better (a recurrent state, a cache of keys and values) overrides the
    methods below, and the tests hold it equal to these.
    """

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens; they are numbered 0 … V - 1."""
        return self.config.vocab_size

    @property
    def context(self) -> int | None:
        """How many tokens ``forward`` takes at most; None if there is no limit."""
        return None

    def nll(
        self, tokens: Int64[Tensor, "B T"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T-1"]:
        r"""Negative log-likelihood in nats of each token given those before it.

        All positions are scored in one parallel pass, each from the true tokens before it: teacher
        forcing. The first token is given, so T tokens make T - 1 numbers.

        Args:
            tokens: sequences, at least two tokens long.
            mask: True where there is a token, False where there is padding. The entries of padding
                are 0.

        Returns:
            :math:`-\log p(x_t \mid x_{<t})` for t = 1 … T - 1.
        """
        if tokens.shape[1] < 2:
            raise ValueError(
                f"a likelihood needs two tokens or more, the first one given, got {tokens.shape[1]}"
            )
        logits = self(tokens[:, :-1])
        nll = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
        return nll if mask is None else nll * mask[:, 1:]

    def generate(
        self,
        prompt: Int64[Tensor, "*B K"],
        *,
        max_new_tokens: int,
        config: SamplingConfig = SamplingConfig(),
        stop_tokens: Sequence[int] = (),
        generator: torch.Generator | None = None,
    ) -> Int64[Tensor, "*B L"]:
        """Go on from a prompt, or from a batch of prompts of the same length.

        :func:`aigc_tutorial.ar.generation.stream.generate` says what the arguments are and what it
        returns; :func:`aigc_tutorial.ar.generation.stream.stream` gives the tokens as they come.
        """
        # Not above: generation is written for this class, and imports it.
        from aigc_tutorial.ar.generation.stream import generate

        return generate(
            self,
            prompt,
            max_new_tokens=max_new_tokens,
            config=config,
            stop_tokens=stop_tokens,
            generator=generator,
        )

    def initial_state(self, batch_size: int) -> Any:
        """State before the first token."""
        return torch.empty(batch_size, 0, dtype=torch.int64, device=self.device)

    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens.

        Args:
            tokens: the next tokens: the whole prompt at first, then mostly one.
            state: what :meth:`initial_state` or the last call returned. It must not be used again
                after this call, which may have changed it in place.

        Returns:
            The logits after each of the K tokens, and the new state.
        """
        seen = torch.cat([state, tokens], dim=1)
        return self(seen)[:, -tokens.shape[1] :], seen

    def select_rows(self, state: Any, rows: Int64[Tensor, " R"]) -> Any:
        """State of a batch that consists of the given rows of this one; a row may repeat."""
        return state.index_select(0, rows)

    def truncate(self, state: Any, length: int) -> Any:
        """State as it was after the first ``length`` tokens."""
        return state[:, :length]


def check_tokens(tokens: Tensor, vocab_size: int, context: int | None = None) -> None:
    """Raise a ValueError unless ``tokens`` is a batch of sequences that the model can take.

    Only shape and length are checked; that every token is below ``vocab_size`` is checked on the
    CPU alone, since on a GPU the check would wait for the device.
    """
    if tokens.ndim != 2 or tokens.shape[1] < 1:
        raise ValueError(
            "expected tokens of shape (batch, time) with time at least 1, got "
            f"{tuple(tokens.shape)}"
        )
    if context is not None and tokens.shape[1] > context:
        raise ValueError(
            f"the model takes at most {context} tokens, got {tokens.shape[1]}; keep the last ones: "
            f"tokens[:, -{context}:]"
        )
    if tokens.device.type == "cpu" and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        raise ValueError(
            f"tokens must lie in 0 … {vocab_size - 1}, got {int(tokens.min())} … "
            f"{int(tokens.max())}; was the text encoded with another tokenizer?"
        )
