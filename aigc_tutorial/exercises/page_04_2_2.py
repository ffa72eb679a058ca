"""Exercises of the mathematics of autoregressive models."""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "04_2_2_ar_math"


def _sequence_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for length, vocab_size, scale in ((1, 3, 1.0), (6, 4, 2.0), (40, 50, 20.0)):
        logits = scale * torch.randn(length, vocab_size, generator=rng)
        yield logits, torch.randint(vocab_size, (length,), generator=rng)


@exercise(
    "sequence-log-probability",
    page=PAGE,
    level="warm-up",
    cases=_sequence_cases,
    hint="log_softmax turns logits into log-probabilities; gather one of each row and add them.",
    remark="A product of a thousand probabilities would be 0 in floating point; this sum is not.",
    mistakes=[
        Mistake(
            lambda logits, tokens: logits.gather(1, tokens[:, None]).sum(),
            "you added logits. They are log-probabilities only after their normaliser was "
            "subtracted.",
        ),
        Mistake(
            lambda logits, tokens: logits.log_softmax(0).gather(1, tokens[:, None]).sum(),
            "you normalised over time. Each row is a distribution, so normalise over the last "
            "dimension.",
        ),
        Mistake(
            lambda logits, tokens: logits.log_softmax(1).gather(1, tokens[:, None]).mean(),
            "a product becomes a sum, not a mean, in logarithms.",
        ),
        Mistake(
            lambda logits, tokens: -logits.log_softmax(1).gather(1, tokens[:, None]).sum(),
            "this is the surprise, the negative of what was asked for.",
        ),
        Mistake(
            lambda logits, tokens: logits.softmax(1).gather(1, tokens[:, None]).prod().log(),
            "right on paper, but the product of small numbers becomes 0 and its logarithm minus "
            "infinity. Add logarithms instead.",
        ),
    ],
)
def sequence_log_probability(
    logits: Float[Tensor, "T V"], tokens: Int64[Tensor, " T"]
) -> Float[Tensor, ""]:
    """Log-probability of a sequence, by the chain rule.

    Row t of ``logits`` is the model's prediction of ``tokens[t]``. Return a tensor with one number.
    """
    return logits.log_softmax(dim=1).gather(1, tokens[:, None]).sum()


def _two_chains(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_states, length, start in ((2, 1, 0), (3, 2, 2), (6, 15, 1)):
        data, model = (2 * torch.randn(2, n_states, n_states, generator=rng).double()).softmax(-1)
        yield data, model, start, length
    one_way = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]).double()
    yield one_way, torch.full((3, 3), 1 / 3).double(), 0, 4


def _expected(
    data: Tensor, model: Tensor, start: int, length: int, *, weights: str = "moving"
) -> tuple[Tensor, Tensor]:
    """Loss and floor; ``weights`` says how often each state is taken to be the last token."""
    state = torch.zeros(len(data)).double()
    state[start] = 1
    if weights == "equal":
        state = torch.full_like(state, 1 / len(data))
    if weights == "late":
        state = state @ data
    losses, floors = -(data * model.log()).sum(1), -torch.xlogy(data, data).sum(1)
    loss = floor = torch.zeros(()).double()
    for _ in range(length):
        loss, floor = loss + state @ losses, floor + state @ floors
        if weights != "equal":
            state = state @ data
    return loss / length, floor / length


@exercise(
    "loss-and-floor",
    page=PAGE,
    level="core",
    cases=_two_chains,
    hint="keep the distribution of the last token, which begins as all on start and becomes state "
    "@ data with each step; weight what each row costs with it.",
    remark="The difference of the two is the second line of the equation: the mean divergence, "
    "where the histories are those of the data.",
    mistakes=[
        Mistake(
            lambda *a: _expected(*a, weights="equal"),
            "not every token is the last one equally often: it begins as start, and then goes "
            "where data takes it.",
        ),
        Mistake(
            lambda *a: _expected(*a, weights="late"),
            "the first prediction is made at start itself, before any step.",
        ),
        Mistake(
            lambda data, model, start, length: tuple(
                length * value for value in _expected(data, model, start, length)
            ),
            "this is the loss of the whole sequence; divide by its length.",
        ),
        Mistake(
            lambda data, model, start, length: (
                _expected(data, model, start, length)[0],
                _expected(model, model, start, length)[1],
            ),
            "the floor belongs to the data: it is their own entropy, not that of the model.",
        ),
        Mistake(
            lambda data, model, start, length: tuple(
                value / math.log(2) for value in _expected(data, model, start, length)
            ),
            "these are bits. Nats come with the natural logarithm.",
        ),
        Mistake(
            lambda data, model, start, length: (
                _expected(data, model, start, length)[0],
                _expected(data, data, start, length)[0],
            ),
            "0 log 0 counts as 0, which floating point does not know. torch.xlogy does.",
        ),
    ],
)
def loss_and_floor(
    data: Float[Tensor, "V V"], model: Float[Tensor, "V V"], start: int, length: int
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean loss a token of a model, and that of a perfect one, both in nats.

    Row a of ``data`` holds the true probabilities of what follows the token a, row a of ``model``
    those that the model gives, none of which is 0. A sequence is the token ``start``, which is
    given, and ``length`` tokens after it. Return the expected loss of ``model`` and its floor.
    """
    state = torch.zeros(len(data), dtype=data.dtype)
    state[start] = 1
    loss = floor = torch.zeros((), dtype=data.dtype)
    for _ in range(length):
        loss = loss - (state[:, None] * data * model.log()).sum()
        floor = floor - (state[:, None] * torch.xlogy(data, data)).sum()
        state = state @ data
    return loss / length, floor / length


def _unit_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield math.log(2), 7, "letters"
    yield 1.4, 5, "naïve"
    yield 3.2, 4, "床前明月光"


@exercise(
    "bits-per-byte",
    page=PAGE,
    level="core",
    cases=_unit_cases,
    hint="the whole surprise is nats_per_token * n_tokens; count the bytes by text.encode().",
    remark="Five Chinese characters are fifteen bytes: per byte they look easier than they are.",
    mistakes=[
        Mistake(
            lambda nats, n, text: nats * n / math.log(2) / len(text),
            "that is per character. In UTF-8 a character takes one to four bytes.",
        ),
        Mistake(
            lambda nats, n, text: nats / math.log(2),
            "that is bits per token, which depends on the tokenizer.",
        ),
        Mistake(
            lambda nats, n, text: nats * n / len(text.encode()),
            "those are nats. A bit is log 2 = 0.693 nats.",
        ),
        Mistake(
            lambda nats, n, text: nats / math.log(2) / len(text.encode()),
            "the surprise of the whole text is that of all its tokens, so multiply by n_tokens.",
        ),
        Mistake(
            lambda nats, n, text: nats * n * math.log(2) / len(text.encode()),
            "a bit is less than a nat, so there are more bits than nats: divide by log 2.",
        ),
    ],
)
def bits_per_byte(nats_per_token: float, n_tokens: int, text: str) -> float:
    """Bits per byte of ``text``, in which a tokenizer found ``n_tokens`` tokens.

    The text is stored as UTF-8.
    """
    return nats_per_token * n_tokens / math.log(2) / len(text.encode())


def _logit_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, vocab_size, scale in ((1, 2, 1.0), (5, 7, 2.0), (3, 4, 200.0)):
        logits = scale * torch.randn(batch, vocab_size, generator=rng)
        yield logits, torch.randint(vocab_size, (batch,), generator=rng)


def _by_autograd(logits: Tensor, tokens: Tensor) -> Tensor:
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(logits, tokens), logits)[0]


@exercise(
    "cross-entropy-gradient",
    page=PAGE,
    level="core",
    cases=_logit_cases,
    hint="predicted probabilities minus a row with a single one; the loss is a mean, so divide.",
    remark="Each row sums to 0: what one logit gains the others lose.",
    mistakes=[
        Mistake(
            lambda a, y: a.softmax(1) - F.one_hot(y, a.shape[1]),
            "right for one prediction. The loss is a mean over the batch: each row counts 1 / B.",
        ),
        Mistake(
            lambda a, y: -_by_autograd(a, y),
            "this is the direction of a step downhill, minus the gradient.",
        ),
        Mistake(
            lambda a, y: (
                a.exp() / a.exp().sum(1, keepdim=True) / len(a) - F.one_hot(y, a.shape[1]) / len(a)
            ),
            "right on paper, but exp(200) is infinite. torch.softmax subtracts the largest logit "
            "first.",
        ),
        Mistake(
            lambda a, y: a.softmax(1) / len(a),
            "the second half of the loss is done. The first, minus the logit of the true token, "
            "has a derivative as well.",
        ),
    ],
)
def cross_entropy_gradient(
    logits: Float[Tensor, "B V"], tokens: Int64[Tensor, " B"]
) -> Float[Tensor, "B V"]:
    """Gradient of the mean cross-entropy by the logits, without autograd.

    The loss is the mean over the batch of the surprise at ``tokens[b]`` under softmax of row b.
    """
    one_hot = F.one_hot(tokens, logits.shape[1])
    return (logits.softmax(dim=1) - one_hot) / len(tokens)


def _chain_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for length, width in ((1, 3), (4, 2), (12, 5)):
        states = torch.randn(length, width, generator=rng).tanh()
        matrix = torch.randn(width, width, generator=rng) / width**0.5
        yield matrix, states, torch.randn(width, generator=rng)


def _backwards(
    matrix: Tensor, states: Tensor, last: Tensor, *, transpose: bool = True, slope: int = 0
) -> Tensor:
    """The recursion with a mistake: no transpose, or the slope of a neighbouring state."""
    gradients = [last]
    for t in range(len(states) - 1, 0, -1):
        inner = (1 - states[t - slope].square()) * gradients[-1]
        gradients.append((matrix.T if transpose else matrix) @ inner)
    return torch.stack(gradients[::-1])


@exercise(
    "gradient-through-time",
    page=PAGE,
    level="research",
    cases=_chain_cases,
    hint="go backwards: the gradient by h[t - 1] is U transposed times (1 - h[t] ** 2) times the "
    "gradient by h[t].",
    remark="Without tanh and with U = ½ I it halves at each step: after 50 steps 1e-15 is left.",
    mistakes=[
        Mistake(
            lambda u, h, g: _backwards(u, h, g, transpose=False),
            "forwards a state is multiplied by U; backwards its gradient is multiplied by U "
            "transposed.",
        ),
        Mistake(
            lambda u, h, g: _backwards(u, h, g, slope=1),
            "the slope of tanh belongs to the step from h[t - 1] to h[t]: it is 1 - h[t] ** 2, "
            "taken at the later state.",
        ),
        Mistake(
            lambda u, h, g: _backwards(u, torch.zeros_like(h), g),
            "the tanh has a slope, too: 1 - h ** 2, for each unit.",
        ),
        Mistake(
            lambda u, h, g: _backwards(u, h, g).flip(0),
            "the order is reversed: row t belongs to h[t], so the given gradient comes last.",
        ),
    ],
)
def gradient_through_time(
    recurrent: Float[Tensor, "H H"],
    states: Float[Tensor, "T H"],
    last_gradient: Float[Tensor, " H"],
) -> Float[Tensor, "T H"]:
    """Gradients of a loss by all states of an RNN, from the gradient by the last one.

    Row t of ``states`` is h[t] = tanh(… + U h[t - 1]), with U = ``recurrent``. The loss depends on
    the last state alone, with the gradient ``last_gradient``. Row t of the result belongs to h[t].
    """
    gradients = [last_gradient]
    for state in states[1:].flip(0):
        gradients.append(recurrent.T @ ((1 - state.square()) * gradients[-1]))
    return torch.stack(gradients[::-1])
