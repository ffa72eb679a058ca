"""What every autoregressive model of this package can do."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.checks import as_mask, check_range, check_shape, on_cpu
from aigc_tutorial.ar.generation.reader import window_start
from aigc_tutorial.ar.generation.sampling import WRITE_CONFIG, SamplingConfig, sample
from aigc_tutorial.ar.generation.stream import GenerationMixin
from aigc_tutorial.config import as_instance
from aigc_tutorial.integers import IntegersLike, as_int64
from aigc_tutorial.nn.mode import evaluation_mode
from aigc_tutorial.nn.precision import full_precision


class AutoregressiveModel(GenerationMixin):
    r"""Gives a sequence's probability one token at a time.

    .. math:: p(x_1, \dots, x_T \mid x_0) = \prod_{t=1}^{T} p(x_t \mid x_0, \dots, x_{t-1})

    The first token :math:`x_0` is given: a token that marks the beginning, or the start of a
    prompt. A subclass defines ``forward`` and a configuration with ``vocab_size``. What it must
    keep is causality: the logits at position t depend on ``tokens[:, :t + 1]`` alone.

    How a model is carried from token to token is said in
    :class:`aigc_tutorial.ar.interface.SequenceModel`.
    """

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """Layers, besides embeddings, with a row or a column for each token: mostly the head.

        By this an optimizer tells them from the hidden layers
        (:func:`aigc_tutorial.optim.split_parameters`).

        Raises:
            NotImplementedError: if the model's class does not say it.
        """
        raise NotImplementedError(
            f"to be trained, {type(self).__name__} must say which layer makes its logits: define "
            "symbol_layers, which returns a tuple of layers, () if the embedding is the head too"
        )

    def check_rows(
        self,
        tokens: Int64[Tensor, "B T"] | IntegersLike,
        mask: Any = None,
        *,
        look: bool = True,
    ) -> tuple[Tensor, ...]:
        """Check data that :meth:`nll` is to take, and convert what is safe to convert.

        Args:
            tokens: sequences; integers of any type, NumPy arrays and lists become int64 tensors.
            mask: True where there is a token; tensors, NumPy arrays and lists of truth values.
            look: whether to look at the values, which has to wait for a GPU.

        Returns:
            The tokens, and the mask if there is one.

        Raises:
            ValueError: if the model could not take them, or would take them for something else.
        """
        rows = as_int64(tokens, "tokens", "encode a text with a tokenizer")
        check_shape(rows)
        if rows.shape[1] < 2:
            raise ValueError(
                f"a likelihood needs two tokens or more, the first one given, got {rows.shape[1]}"
            )
        if look:
            check_range(rows, self.vocab_size)
        if mask is None:
            return (rows,)
        return rows, as_mask(mask, rows.shape)

    def nll(
        self,
        tokens: Int64[Tensor, "B T"] | IntegersLike,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B N"]:
        r"""Negative log-likelihood in nats of each token given those before it.

        All positions are scored in one parallel pass, each from the true tokens before it: teacher
        forcing. The first token is given, so T tokens make N = T - 1 numbers.

        Args:
            tokens: sequences, at least two tokens long.
            mask: True where there is a token, False where there is padding. The entries of padding
                are 0.

        Returns:
            :math:`-\log p(x_t \mid x_{<t})` for t = 1 … T - 1, on the model's device.

        Raises:
            ValueError: as :meth:`check_rows` does; values are looked at on the CPU alone.
        """
        checked = self.check_rows(tokens, mask, look=on_cpu(tokens))
        rows, *others = (part.to(self.device) for part in checked)
        logits = self(rows[:, :-1])
        logits = full_precision(logits).transpose(1, 2)
        nll = F.cross_entropy(logits, rows[:, 1:], reduction="none")
        # Filled and not multiplied: where a token is impossible, 0 times infinity is NaN.
        return nll.masked_fill(~others[0][:, 1:], 0.0) if others else nll

    @torch.no_grad()
    def generate_naively(
        self,
        prompt: Int64[Tensor, "B K"],
        *,
        max_new_tokens: int,
        config: SamplingConfig = SamplingConfig(),
        rng: torch.Generator | None = None,
    ) -> Int64[Tensor, "B L"]:
        """Go on from prompts by computing everything anew for each token.

        This is all that generation is, in the form to be read: predict, draw, append.
        :meth:`generate` gives the same tokens, and computes each position once.

        Args:
            prompt: sequences of one length, not longer than the context.
            max_new_tokens: how many tokens to generate.
            config: how a token is chosen.
            rng: source of randomness; None is torch's global source.

        Raises:
            ValueError: if the prompt is no batch: ``tokens[None]`` makes one of a vector.
            TypeError: if config is something else.
        """
        check_shape(prompt)
        as_instance(config, SamplingConfig, "config", WRITE_CONFIG)
        tokens = prompt
        with evaluation_mode(self):
            for length in range(prompt.shape[1], prompt.shape[1] + max_new_tokens):
                logits = self(tokens[:, window_start(length, self.context) :])[:, -1]
                new = sample(logits, config, tokens=tokens, rng=rng)
                tokens = torch.cat([tokens, new[:, None]], dim=1)
        return tokens
