"""Exercises of the page on autoregressive models, step by step."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "03_2_2_ar_steps"


def _token_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for shape in ((1, 2), (2, 5), (3, 9)):
        yield (torch.randint(20, shape, generator=rng),)


@exercise(
    "teacher-forcing-pairs",
    page=PAGE,
    level="warm-up",
    cases=_token_cases,
    hint="position t of the targets is position t + 1 of the tokens; the last token has no target.",
    remark="The first token is never a target: it is given.",
    mistakes=[
        Mistake(
            lambda tokens: (tokens, tokens),
            "the model would be asked for the very token it has just read.",
        ),
        Mistake(
            lambda tokens: (tokens[:, 1:], tokens[:, :-1]),
            "this asks for the token before. Inputs and targets have changed places.",
        ),
        Mistake(
            lambda tokens: (tokens, tokens.roll(-1, dims=1)),
            "roll brings the first token round to the end, as the target of the last.",
        ),
    ],
)
def teacher_forcing_pairs(
    tokens: Int64[Tensor, "B T"],
) -> tuple[Int64[Tensor, "B T-1"], Int64[Tensor, "B T-1"]]:
    """Split sequences (B, T) into what a model reads and what it is asked for.

    Return inputs and targets, both (B, T - 1): the target at each position is the next token.
    """
    return tokens[:, :-1], tokens[:, 1:]


def _mean_of_rows(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    nll = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return ((nll * mask).sum(1) / mask.sum(1)).mean()


def _loss_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, time, vocabulary in ((1, 4, 3), (3, 6, 5), (4, 9, 11)):
        logits = 3 * torch.randn(batch, time, vocabulary, generator=rng)
        targets = torch.randint(vocabulary, (batch, time), generator=rng)
        lengths = torch.randint(1, time + 1, (batch, 1), generator=rng)
        lengths[0] = time - 1
        yield logits, targets, torch.arange(time) < lengths


@exercise(
    "masked-nll",
    page=PAGE,
    level="core",
    cases=_loss_cases,
    hint="take log_softmax over the last dimension, gather the targets, and divide the sum over "
    "real tokens by their number.",
    remark="A batch with much padding now weighs its tokens as every other batch does.",
    mistakes=[
        Mistake(
            lambda logits, targets, mask: F.cross_entropy(logits.transpose(1, 2), targets),
            "padding is scored too: the mask is not used.",
        ),
        Mistake(
            lambda logits, targets, mask: (
                F.cross_entropy(logits.transpose(1, 2), targets, reduction="none") * mask
            ).mean(),
            "the sum leaves padding out, but the number it is divided by counts it.",
        ),
        Mistake(
            _mean_of_rows,
            "this is a mean of means: a token of a short sequence weighs more than one of a long.",
        ),
        Mistake(
            lambda logits, targets, mask: (
                -logits.gather(-1, targets[..., None])[..., 0][mask].mean()
            ),
            "logits are no log-probabilities: their softmax has to sum to 1 first.",
        ),
    ],
)
def masked_nll(
    logits: Float[Tensor, "B T V"], targets: Int64[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Negative log-likelihood per real token, in nats.

    ``logits`` (B, T, V) belong to ``targets`` (B, T); ``mask`` (B, T) is False at padding.
    """
    log_p = logits.log_softmax(dim=-1).gather(-1, targets[..., None])[..., 0]
    return -(log_p * mask).sum() / mask.sum()


def _nucleus_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield torch.tensor([0.1, 0.5, 0.15, 0.25]), 0.7
    yield torch.tensor([0.05, 0.05, 0.9]), 0.5
    yield torch.tensor([0.0625, 0.5, 0.1875, 0.25]), 0.75  # the two largest sum to p exactly
    for n in (7, 40):
        yield (2 * torch.randn(n, generator=rng)).softmax(-1), 0.8


def _below(probabilities: Tensor, p: float) -> Tensor:
    values, order = probabilities.sort(descending=True)
    kept = values.cumsum(-1) <= p
    return torch.zeros_like(kept).scatter(-1, order, kept)


def _beyond(probabilities: Tensor, p: float) -> Tensor:
    values, order = probabilities.sort(descending=True)
    kept = values.cumsum(-1) - values <= p
    return torch.zeros_like(kept).scatter(-1, order, kept)


def _unsorted(probabilities: Tensor, p: float) -> Tensor:
    return probabilities.cumsum(-1) - probabilities < p


def _in_order(probabilities: Tensor, p: float) -> Tensor:
    values, _ = probabilities.sort(descending=True)
    return values.cumsum(-1) - values < p


@exercise(
    "nucleus",
    page=PAGE,
    level="core",
    cases=_nucleus_cases,
    hint="sort in descending order. A token belongs to the set if those before it do not reach p "
    "yet. Then put the answers back into the order of the vocabulary, for example with scatter.",
    remark="A sure model keeps one token, an unsure one many.",
    mistakes=[
        Mistake(
            _below,
            "the set must reach p. The token with which the sum reaches it belongs to it; without "
            "it a sure model keeps nothing at all.",
        ),
        Mistake(
            _beyond,
            "a set that sums to p exactly has reached it. Take no token more.",
        ),
        Mistake(
            _unsorted,
            "this takes tokens in the order of the alphabet. The smallest set takes the most "
            "probable ones first.",
        ),
        Mistake(
            _in_order,
            "right, but for the sorted tokens. The answer must be in the order of the vocabulary.",
        ),
        Mistake(
            lambda probabilities, p: probabilities >= p,
            "p is the probability of the whole set, not of each token.",
        ),
    ],
)
def nucleus(probabilities: Float[Tensor, " V"], p: float) -> Bool[Tensor, " V"]:
    """Say of each token (V,) whether top-p keeps it.

    The nucleus is the smallest set of tokens whose probabilities sum to p or more. No two of the
    probabilities that matter are equal.
    """
    values, order = probabilities.sort(descending=True)
    kept = values.cumsum(dim=-1) - values < p
    return torch.zeros_like(kept).scatter(-1, order, kept)


def _rates(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.01, 10), (0.1, 20), (0.5, 3), (1e-6, 100), (1.0, 5))


@exercise(
    "compounding-errors",
    page=PAGE,
    level="core",
    cases=_rates,
    hint="add up the errors 1 - (1 - epsilon) ** k for k = 1 … n.",
    remark="For a small rate that is about epsilon n² / 2, against epsilon n under teacher "
    "forcing: with n = 100, fifty times as many.",
    mistakes=[
        Mistake(
            lambda epsilon, n: epsilon * n,
            "this is teacher forcing: there every step begins anew from a right prefix.",
        ),
        Mistake(
            lambda epsilon, n: epsilon * n * (n + 1) / 2,
            "an approximation for small rates. With a large one it exceeds n, the number of steps.",
        ),
        Mistake(
            lambda epsilon, n: 1 - (1 - epsilon) ** n,
            "this is the error of the last step alone. Add up all of them.",
        ),
    ],
)
def compounding_errors(epsilon: float, n: int) -> float:
    """Expected number of wrong steps among n, when a wrong step stays wrong.

    Each step copies the one before and goes wrong by itself with probability ``epsilon``; what is
    wrong is copied as it is. The step before the first is right.
    """
    return float(sum(1 - (1 - epsilon) ** k for k in range(1, n + 1)))


def _function(kind: str) -> Callable[[Tensor], Tensor]:
    """A function from tokens (B, T) to logits (B, T, V) that is causal, or leaks in some way."""

    def logits(tokens: Tensor) -> Tensor:
        features = F.one_hot(tokens, 10).double() @ torch.arange(60.0).sin().view(10, 6).double()
        sums = features.cumsum(dim=1)
        if kind == "whole":
            sums = sums + features.mean(dim=1, keepdim=True)
        if kind == "next":
            sums = sums + 1e-3 * F.pad(features[:, 1:], (0, 0, 0, 1))
        if kind == "numbers":  # whether the next token's number is odd
            odd = F.pad(tokens[:, 1:] % 2, (0, 1)).double()
            sums = sums + odd[..., None]
        if kind == "late" and tokens.shape[1] > 6:  # one place in the middle sees one token ahead
            sums = torch.cat([sums[:, :4], sums[:, 4:5] + features[:, 6:7], sums[:, 5:]], dim=1)
        return sums

    return logits


def _leaks(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for kind in ("causal", "whole", "next", "late", "numbers"):
        yield _function(kind), torch.randint(10, (2, 9), generator=rng)


@torch.no_grad()
def _only_last_token(model: Callable[[Tensor], Tensor], tokens: Tensor) -> bool:
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 10
    return not torch.allclose(model(tokens)[:, :-1], model(changed)[:, :-1])


def _anything_changes(model: Callable[[Tensor], Tensor], tokens: Tensor) -> bool:
    return not torch.allclose(model(tokens), model((tokens + 1) % 10))


@exercise(
    "finds-leak",
    page=PAGE,
    level="research",
    cases=_leaks,
    hint="for each t, change all tokens after t, and compare the logits up to t with the old ones.",
    remark="Either test has its blind spot. A leak below rounding escapes this one and not a "
    "derivative by the embeddings. One that takes the numbers of the tokens past the embeddings, "
    "as the last model's does, has no such derivative, and this one finds it.",
    mistakes=[
        Mistake(
            _only_last_token,
            "a place in the middle can see one token ahead and not the last. Try every t.",
        ),
        Mistake(
            _anything_changes,
            "every model depends on its tokens. The question is whether logits depend on *later* "
            "ones.",
        ),
        Mistake(
            lambda model, tokens: False,
            "four of the five models leak.",
        ),
    ],
)
def finds_leak(
    model: Callable[[Int64[Tensor, "B T"]], Float[Tensor, "B T V"]], tokens: Int64[Tensor, "B T"]
) -> bool:
    """Say whether some logits of ``model(tokens)`` (B, T, V) depend on a later token.

    ``tokens`` (B, T) are numbers from 0 to 9. Use nothing but calls of ``model``.
    """
    logits = model(tokens)
    for t in range(tokens.shape[1] - 1):
        changed = tokens.clone()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1) % 10
        if not torch.allclose(model(changed)[:, : t + 1], logits[:, : t + 1]):
            return True
    return False
