"""Exercises of the page on the whole pipeline."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "02_3_pipeline"


def _lengths(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((2.9, 470, 1000), (0.7, 100, 100), (4.0, 10, 43))


@exercise(
    "bits-per-character",
    page=PAGE,
    level="warm-up",
    cases=_lengths,
    hint="first the nats of the whole text, then to bits, then per character.",
    remark="Two models with different tokenizers can be compared in this unit, not in bits per "
    "token.",
    mistakes=[
        Mistake(
            lambda nats, n_tokens, n_characters: nats * n_tokens / n_characters,
            "these are nats per character. One bit is log 2 = 0.693 nats.",
        ),
        Mistake(
            lambda nats, n_tokens, n_characters: nats / math.log(2),
            "these are bits per token; a token stands for several characters.",
        ),
        Mistake(
            lambda nats, n_tokens, n_characters: nats / math.log(2) * n_characters / n_tokens,
            "the ratio of tokens and characters is upside down.",
        ),
    ],
)
def bits_per_character(nats_per_token: float, n_tokens: int, n_characters: int) -> float:
    """Bits per character of a text of ``n_characters``, read as ``n_tokens`` tokens.

    ``nats_per_token`` is the mean negative log-likelihood, with the natural logarithm.
    """
    return nats_per_token * n_tokens / math.log(2) / n_characters


def _texts(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((2.0, 3.0, 80), (2.1, 2.4, 500), (2.0, 1.9, 100))


@exercise(
    "forgetting",
    page=PAGE,
    level="core",
    cases=_texts,
    hint="the ratio is 2 to the power −n Δ; take its logarithm to base 10.",
    remark="One bit a character over a line of 80 characters is a factor of 10 to the 24.",
    mistakes=[
        Mistake(
            lambda before, after, n: n * (after - before),
            "these are bits, powers of two. A power of ten is log2(10) = 3.32 of them.",
        ),
        Mistake(
            lambda before, after, n: -n * (after - before) * math.log10(2),
            "the sign: more bits after than before means less probable, and the answer is to be "
            "positive.",
        ),
        Mistake(
            lambda before, after, n: (after - before) * math.log10(2),
            "this is for one character.",
        ),
    ],
)
def powers_of_ten_lost(bits_before: float, bits_after: float, n_characters: int) -> float:
    """By how many powers of ten a text has become less probable through fine-tuning.

    The model needs ``bits_before`` and ``bits_after`` bits per character of it. The answer is
    negative if the text has become more probable.
    """
    return n_characters * (bits_after - bits_before) * math.log10(2)


def _schedules(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((8, 0.5), (12, 0.375), (9, 0.75), (7, 0.0), (5, 1.0))


@exercise(
    "replay-schedule",
    page=PAGE,
    level="core",
    cases=_schedules,
    hint="after n steps there should have been floor(n · share) old ones. A step is old when that "
    "number rises.",
    remark="Drawing each step at random has the same share on the average, and sometimes a long "
    "run without any old text.",
    mistakes=[
        Mistake(
            lambda n_steps, share: [i < round(n_steps * share) for i in range(n_steps)],
            "the share is right, but all old text comes first, and what comes last is what is "
            "remembered.",
        ),
        Mistake(
            lambda n_steps, share: [
                math.floor((i + 1) * (1 - share)) == math.floor(i * (1 - share))
                for i in range(n_steps)
            ],
            "evenly spread, but counted from the new text's side: at a share of one half the first "
            "step is to be new.",
        ),
    ],
)
def replay_schedule(n_steps: int, share: float) -> list[bool]:
    """For each step of fine-tuning, whether its batch is of old text.

    Among the first n steps, for every n, exactly floor(n · ``share``) are. ``share`` lies between
    0 and 1.
    """
    return [math.floor((step + 1) * share) > math.floor(step * share) for step in range(n_steps)]


def _rewards(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for size, beta in ((1.0, 1.0), (2.0, 0.3), (4_000.0, 2.0)):
        log_base = torch.randn(6, generator=rng, dtype=torch.float64).log_softmax(0)
        yield log_base, size * torch.randn(6, generator=rng, dtype=torch.float64), beta


@exercise(
    "best-policy",
    page=PAGE,
    level="core",
    cases=_rewards,
    hint="its logarithm is log_base + reward / beta, but for a constant; a softmax finds the "
    "constant, and subtracts the largest first.",
    remark="Raise the reward of one text by mistake, make beta small, and this text is all that "
    "is said: a language model finds the errors of its reward model.",
    mistakes=[
        Mistake(
            lambda log_base, reward, beta: (
                log_base.exp() * (reward / beta).exp() / (log_base.exp() @ (reward / beta).exp())
            ),
            "the formula is right, and overflows where the reward is large. Stay with logarithms.",
        ),
        Mistake(
            lambda log_base, reward, beta: (reward / beta).softmax(0),
            "this forgets π₀: with a reward of zero the model must stay as it was.",
        ),
        Mistake(
            lambda log_base, reward, beta: (log_base + beta * reward).softmax(0),
            "a small beta is little weight for the divergence, and then the reward counts more.",
        ),
        Mistake(
            lambda log_base, reward, beta: (log_base / beta + reward).softmax(0),
            "divide the reward by beta, not the logarithm of π₀.",
        ),
    ],
)
def best_policy_probabilities(
    log_base: Float[Tensor, " N"], reward: Float[Tensor, " N"], beta: float
) -> Float[Tensor, " N"]:
    """Probabilities that maximise the mean reward minus ``beta`` times KL(π‖π₀).

    ``log_base`` (N,) is the logarithm of π₀, ``reward`` (N,) the reward of each of N texts. It must
    be right when ``reward / beta`` is too large for exp.
    """
    return (log_base + reward / beta).softmax(0)
