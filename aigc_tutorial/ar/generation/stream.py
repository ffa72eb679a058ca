"""Going on from a prompt, token by token.

Sampling here, and greedy decoding as sampling at temperature 0. The most probable sequence is
searched for in :mod:`aigc_tutorial.ar.generation.beam`; several tokens a step, without changing
what comes out, is :mod:`aigc_tutorial.ar.generation.speculative`.
"""

from collections.abc import Generator, Iterator, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.ar.generation.reader import Reader, as_prompts, as_stop_tokens
from aigc_tutorial.ar.generation.sampling import WRITE_CONFIG, SamplingConfig, sample
from aigc_tutorial.ar.interface import SequenceModel
from aigc_tutorial.config import as_instance
from aigc_tutorial.integers import IntegersLike, as_count
from aigc_tutorial.nn.mode import evaluation_mode, gradients_off
from aigc_tutorial.tokenizers import REPLACEMENT, Tokenizer


def generate(
    model: SequenceModel,
    prompt: Int64[Tensor, "*B K"] | IntegersLike,
    *,
    max_new_tokens: int,
    config: SamplingConfig = SamplingConfig(),
    stop_tokens: Sequence[int] | IntegersLike = (),
    rng: torch.Generator | None = None,
    use_cache: bool = True,
) -> Int64[Tensor, "*C L"]:
    """Prompts and what follows them; the arguments are those of :func:`stream`.

    Returns:
        The K tokens of each prompt and at most ``max_new_tokens`` further ones, on the model's
        device. There are fewer if every sequence has met a stop token; one that met its own before
        the others did ends in repetitions of it.
    """
    tokens = as_prompts(model, prompt)
    steps = stream(
        model,
        tokens,
        max_new_tokens=max_new_tokens,
        config=config,
        stop_tokens=stop_tokens,
        rng=rng,
        use_cache=use_cache,
    )
    return torch.cat([tokens, torch.stack(list(steps), dim=-1)], dim=-1)


def stream(
    model: SequenceModel,
    prompt: Int64[Tensor, "*B K"] | IntegersLike,
    *,
    max_new_tokens: int,
    config: SamplingConfig = SamplingConfig(),
    stop_tokens: Sequence[int] | IntegersLike = (),
    rng: torch.Generator | None = None,
    use_cache: bool = True,
) -> Generator[Int64[Tensor, "*C"], None, None]:
    """Go on from prompts, one token of each at a time, as they come.

    Past the model's context it goes on from the last half of it; see
    :func:`aigc_tutorial.ar.generation.reader.window_start`. Until the iterator is exhausted or
    closed, the model is in evaluation mode.

    Args:
        model: any autoregressive model.
        prompt: one sequence (K,) or a batch of them (B, K), not longer than the context, in a
            tensor, a NumPy array or lists.
        max_new_tokens: how many tokens to generate at most.
        config: how a token is chosen.
        stop_tokens: a sequence ends with the first of these that is generated. As long as others
            in the batch go on, it repeats that token.
        rng: source of randomness; with the same seed the same tokens. None is torch's global
            source.
        use_cache: False computes everything anew for each token: slow, for comparison.

    Returns:
        An iterator over tokens, (B,), or () for a prompt without a batch dimension.

    Raises:
        ValueError: if the prompt is empty, longer than the context or of another vocabulary; at a
            token, if the model's logits are no distribution.
        TypeError: if config is something else.
    """
    as_instance(config, SamplingConfig, "config", WRITE_CONFIG)
    tokens, stops = as_prompts(model, prompt), as_stop_tokens(model, stop_tokens)
    steps = _steps(
        Reader(model, use_cache=use_cache),
        tokens if tokens.ndim > 1 else tokens[None],
        as_count(max_new_tokens, "max_new_tokens"),
        config,
        torch.tensor(stops, device=model.device) if stops else None,
        rng,
    )
    return steps if tokens.ndim > 1 else (row for (row,) in steps)


def _steps(
    reader: Reader,
    prompt: Tensor,
    n_new: int,
    config: SamplingConfig,
    stop: Tensor | None,
    rng: torch.Generator | None,
) -> Generator[Tensor, None, None]:
    batch_size, n_given = prompt.shape
    with gradients_off():
        tokens = torch.cat([prompt, prompt.new_empty(batch_size, n_new)], dim=1)
        stopped = torch.zeros(batch_size, dtype=torch.bool, device=prompt.device)
    with evaluation_mode(reader.model):
        for length in range(n_given, n_given + n_new):
            with gradients_off():
                seen = tokens[:, :length]
                new = sample(reader.read(seen)[:, -1], config, tokens=seen, rng=rng)
                if stop is not None:
                    new = torch.where(stopped, seen[:, -1], new)
                    stopped = torch.isin(new, stop)
                tokens[:, length] = new
            yield new
            if stop is not None and stopped.all():
                return


class GenerationMixin(SequenceModel):
    """Gives a model the method :meth:`generate`."""

    def generate(
        self,
        prompt: Int64[Tensor, "*B K"] | IntegersLike,
        *,
        max_new_tokens: int,
        config: SamplingConfig = SamplingConfig(),
        stop_tokens: Sequence[int] | IntegersLike = (),
        rng: torch.Generator | None = None,
    ) -> Int64[Tensor, "*C L"]:
        """Go on from a prompt, or from a batch of prompts of the same length.

        :func:`aigc_tutorial.ar.generation.stream.generate` says what the arguments are and what it
        returns; :func:`aigc_tutorial.ar.generation.stream.stream` gives the tokens as they come.
        """
        return generate(
            self,
            prompt,
            max_new_tokens=max_new_tokens,
            config=config,
            stop_tokens=stop_tokens,
            rng=rng,
        )


def stream_text(
    model: SequenceModel,
    tokenizer: Tokenizer,
    text: str,
    *,
    max_new_tokens: int,
    config: SamplingConfig = SamplingConfig(),
    stop_tokens: Sequence[int] | IntegersLike = (),
    rng: torch.Generator | None = None,
) -> Iterator[str]:
    """Go on from a text, piece by piece: ``for piece in …: print(piece, end="", flush=True)``.

    A character can take several tokens; it is held back until it is complete. The pieces joined are
    what the tokenizer makes of all new tokens at once.

    Args:
        model: any autoregressive model.
        tokenizer: the one that the model was trained with. If it has a token for the beginning, the
            text is put after it; if it has one for the end, the text ends there.
        text: the prompt, which the pieces do not repeat.
        max_new_tokens: how many tokens to generate at most.
        config: how a token is chosen.
        stop_tokens: tokens after which to stop, besides the tokenizer's own for the end.
        rng: source of randomness; None is torch's global source.

    Raises:
        ValueError: as :func:`stream` does; an empty text is no prompt, unless the tokenizer has a
            token for the beginning; if the tokenizer has more tokens than the model, it is another
            one's.
    """
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} tokens and the model {model.vocab_size}; "
            "take the one that the model was trained with"
        )
    if tokenizer.eos_id is not None:
        stop_tokens = [*as_stop_tokens(model, stop_tokens), tokenizer.eos_id]
    steps = stream(
        model,
        tokenizer.prompt(text),
        max_new_tokens=max_new_tokens,
        config=config,
        stop_tokens=stop_tokens,
        rng=rng,
    )
    return _pieces(tokenizer, steps)


class TextPieces:
    """Decodes tokens as they come; a last character that later ones could complete has to wait.

    The pieces joined are what the tokenizer makes of all tokens at once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pending: list[int] = []
        self._n_shown = 0
        self._text = ""

    def push(self, token: int) -> str:
        """Take a token; return what it completes, which may be nothing."""
        self._pending.append(token)
        self._text = self._tokenizer.decode(self._pending)
        complete = self._text.removesuffix(REPLACEMENT)
        piece = complete[self._n_shown :]
        if complete == self._text:
            self._pending, self._n_shown, self._text = [], 0, ""
        else:
            self._n_shown = max(self._n_shown, len(complete))
        return piece

    def flush(self) -> str:
        """Return what was held back, when no token comes any more."""
        return self._text[self._n_shown :]


def _pieces(tokenizer: Tokenizer, steps: Iterator[Tensor]) -> Iterator[str]:
    pieces = TextPieces(tokenizer)
    for token in steps:
        if piece := pieces.push(int(token)):
            yield piece
    if rest := pieces.flush():
        yield rest
