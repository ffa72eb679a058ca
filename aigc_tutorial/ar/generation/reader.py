"""How a model reads a sequence that grows: each token once, within its context."""

from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.ar.checks import check_range, check_shape, require_values_of
from aigc_tutorial.ar.interface import SequenceModel
from aigc_tutorial.integers import IntegersLike, as_int64


def window_start(length: int, context: int | None) -> int:
    """Where the tokens begin from which the token after ``length`` others is predicted.

    As long as the context has room, that is the very first one. When one more does not fit, the
    model goes on from the last ``context // 2`` alone, and again each time they have grown to fill
    the context. Moving on by one token each time would see more; but then every token would be at a
    new position, and nothing that was computed could be used again.

    >>> [window_start(length, context=4) for length in range(1, 12)]
    [0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9]

    Args:
        length: number of tokens so far.
        context: how many the model takes; None if there is no limit.
    """
    if context is None or length <= context:
        return 0
    jump = context + 1 - max(1, context // 2)
    return -(-(length - context) // jump) * jump


class Reader:
    """Carries a model's state along sequences that grow.

    Attributes:
        model: what reads.
        use_cache: False reads everything anew each time: slow, and what the state is tested by.
        n_read: number of tokens read.
        start: the first of those that the state knows; see :func:`window_start`.
    """

    def __init__(self, model: SequenceModel, *, use_cache: bool = True) -> None:
        self.model = model
        self.use_cache = use_cache
        self.n_read = 0
        self.start = 0
        self._state: Any = None

    def read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B K V"]:
        """Read what was not read yet.

        Args:
            tokens: the whole sequences, of which the last K tokens are new.

        Returns:
            Logits after each token that had to be read: the K new ones, or all in the window where
            it has jumped. The last are always those of the next token.
        """
        length = tokens.shape[1]
        start = window_start(length, self.model.context)
        begins = start != self.start or self._state is None
        if begins:
            self.start = self.n_read = start
            self._state = self.model.initial_state(tokens.shape[0])
        new, self.n_read = tokens[:, self.n_read :], length
        if self.use_cache:
            logits, self._state = self.model.advance(new, self._state)
        else:
            logits = self.model(tokens[:, start:])[:, -new.shape[1] :]
        return logits

    def room(self, length: int, *, at_most: int) -> int:
        """How many tokens can follow the first ``length`` before the window jumps.

        Args:
            length: number of tokens so far.
            at_most: the answer where there is room for more, or no limit.
        """
        context = self.model.context
        if context is None:
            return at_most
        return min(at_most, window_start(length, context) + context - length)

    def select_rows(self, rows: Int64[Tensor, " R"]) -> None:
        """Go on with a batch that consists of the given rows of this one; a row may repeat."""
        self._state = self.model.select_rows(self._state, rows)

    def forget(self, length: int) -> None:
        """Go back to where ``length`` tokens had been read, if there were more."""
        if length >= self.n_read:
            return
        self.n_read = length
        if length > self.start:
            self._state = self.model.truncate(self._state, length - self.start)
        else:
            self._state = None


def as_prompts(
    model: SequenceModel, prompt: IntegersLike, *, n_dims: tuple[int, ...] = (1, 2)
) -> Int64[Tensor, "*B K"]:
    """A prompt, or a batch of them, that the model can go on from, on the model's device.

    Args:
        model: what is to go on.
        prompt: integers of any type, in a tensor, an array or lists.
        n_dims: 1 for one sequence, 2 for a batch of them.

    Raises:
        ValueError: if the prompt is empty, longer than the context or of another vocabulary, or the
            model has no values.
    """
    require_values_of(model)
    tokens = as_int64(prompt, "the prompt", "encode a text with the model's tokenizer")
    if tokens.ndim not in n_dims:
        expected = "one sequence (K,)" + (" or a batch of them (B, K)" if 2 in n_dims else "")
        raise ValueError(f"expected {expected} as prompt, got the shape {tuple(tokens.shape)}")
    if tokens.numel() == 0:
        raise ValueError(
            "the prompt is empty, and the first token cannot be predicted from nothing; begin with "
            "the tokenizer's token for the beginning, tokenizer.bos_id, or with a newline"
        )
    rows = tokens if tokens.ndim == 2 else tokens[None]
    check_shape(rows, model.context)
    check_range(rows, model.vocab_size)
    return tokens.to(model.device)


def as_stop_tokens(model: SequenceModel, stop_tokens: IntegersLike) -> list[int]:
    """Tokens that end a sequence, as a list.

    Raises:
        ValueError: if one is not in the vocabulary.
    """
    stops = as_int64(stop_tokens, "stop_tokens").flatten().tolist()
    if unknown := [token for token in stops if not 0 <= token < model.vocab_size]:
        raise ValueError(
            f"stop_tokens must lie in 0 … {model.vocab_size - 1}, got {unknown}: they would never "
            "come; are they of another tokenizer?"
        )
    return stops
