"""Exercises of the page on core concepts."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "02_1_concepts"


def _lines(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n, m, s, w, b in (
        (5, -2.0, 1.0, 0.5, 1.0),
        (200, 1.5, 0.5, -1.2, 0.3),
        (9, 0.0, 2.0, 40, 0),
    ):
        yield torch.randn(n, generator=rng), m, s, w, b


def _pull(
    z: Tensor, m: float, s: float, w: float, b: float, *, saturating: bool = False
) -> tuple[Tensor, Tensor]:
    a = w * (m + s * z) + b
    by_sample = -w * (a if saturating else -a).sigmoid()
    return by_sample.mean(), (by_sample * z).mean()


@exercise(
    "pull-on-the-generator",
    page=PAGE,
    level="warm-up",
    cases=_lines,
    hint="the chain rule: the derivative of -log sigmoid(a) by a, which is sigmoid(a) - 1, times "
    "that of a by x, times that of x by the parameter; then the mean.",
    remark="No real sample occurs in it. All that the generator learns of the data has gone "
    "through w, the slope of the discriminator.",
    mistakes=[
        Mistake(
            lambda z, m, s, w, b: tuple(-g for g in _pull(z, m, s, w, b)),
            "this is the direction in which the generator goes: minus the gradient.",
        ),
        Mistake(
            lambda *a: _pull(*a, saturating=True),
            "this is the gradient of log(1 - sigmoid(a)), the saturating loss.",
        ),
        Mistake(
            lambda z, m, s, w, b: tuple(g / w for g in _pull(z, m, s, w, b)),
            "the gradient comes back through the discriminator: its slope w is a factor.",
        ),
        Mistake(
            lambda z, m, s, w, b: (_pull(z, m, s, w, b)[0],) * 2,
            "a larger s moves each sample by its own z.",
        ),
        Mistake(
            lambda z, m, s, w, b: (
                (g := _pull(z, m, s, w, b))[0],
                g[0] * z.mean(),
            ),
            "the mean of a product is not the product of the means: samples that look generated "
            "pull harder.",
        ),
        Mistake(
            lambda z, m, s, w, b: tuple(len(z) * g for g in _pull(z, m, s, w, b)),
            "the loss is a mean over the samples, not their sum.",
        ),
    ],
)
def pull_on_the_generator(
    z: Float[Tensor, " N"], m: float, s: float, w: float, b: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Derivatives of the generator's loss by m and by s, where G(z) = m + s z.

    The discriminator is as simple: the logit of a point x is a = w x + b. The loss is the mean of
    -log sigmoid(a) over the samples from the latents ``z`` (N,). Return both derivatives.
    """
    a = w * (m + s * z) + b
    by_sample = (a.sigmoid() - 1) * w
    return by_sample.mean(), (by_sample * z).mean()


def _recall_cases(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((6, 8, 1), (1, 8, 1), (8, 16, 3), (3, 2, 0), (5, 4, 5))


@exercise(
    "short-sight",
    page=PAGE,
    level="core",
    cases=_recall_cases,
    hint="how likely is it that the question is about a pair that is seen? And if it is not, what "
    "do the values that are seen tell about the right one?",
    remark="With one pair seen it is what a blind model reached that knows the last value alone: "
    "the key gains nothing there. Why?",
    mistakes=[
        Mistake(
            lambda n_pairs, n_values, n_seen: n_seen / n_pairs,
            "this is how often the question is about a pair that is seen. A guess can hit too.",
        ),
        Mistake(
            lambda n_pairs, n_values, n_seen: n_seen / n_pairs + 1 / n_values,
            "the two cases exclude each other: the guess counts only when the pair is not seen.",
        ),
        Mistake(
            lambda n_pairs, n_values, n_seen: (
                n_seen / n_pairs + (1 - n_seen / n_pairs) / max(1, n_values - n_seen)
            ),
            "values are independent: one that was seen can be the right one all the same.",
        ),
    ],
)
def accuracy_with_short_sight(n_pairs: int, n_values: int, n_seen: int) -> float:
    """Share of right answers on the recall task for the best model that sees the last pairs alone.

    ``n_pairs`` pairs of a key and a value, then one of these keys, each equally often; the keys
    differ. Values are drawn independently, each of the ``n_values`` equally often. The model sees
    keys and values of the last ``n_seen`` pairs, 0 to ``n_pairs``, and the question.
    """
    return n_seen / n_pairs + (1 - n_seen / n_pairs) / n_values


def _queries_keys_values(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for time, width in ((4, 3), (6, 16), (1, 2)):
        yield tuple(2 * torch.randn(3, time, width, generator=rng))


def _attention(
    queries: Tensor, keys: Tensor, values: Tensor, *, root: bool = True, mask: str = "before"
) -> Tensor:
    scores = queries @ keys.T / (queries.shape[1] ** 0.5 if root else 1)
    seen = torch.ones_like(scores, dtype=torch.bool).tril()
    if mask == "before":
        scores = scores.masked_fill(~seen, float("-inf"))
    weights = scores.softmax(dim=1)
    if mask == "after":
        weights = weights * seen
    return weights @ values


@exercise(
    "causal-attention",
    page=PAGE,
    level="core",
    cases=_queries_keys_values,
    hint="scores = queries @ keys.T / sqrt(d); put -inf where the column is later than the row; "
    "softmax along the row; then times the values.",
    remark="At the first token the weights are (1, 0, 0, …): it can only look at itself.",
    mistakes=[
        Mistake(
            lambda q, k, v: _attention(q, k, v, mask="none"),
            "every token sees the later ones too. In training it would copy its own target.",
        ),
        Mistake(
            lambda q, k, v: _attention(q, k, v, mask="after"),
            "you set the weights of later tokens to 0 after the softmax: the others no longer sum "
            "to 1. Mask the scores, before it.",
        ),
        Mistake(
            lambda q, k, v: _attention(q, k, v, root=False),
            "divide the scores by the root of d; without it they grow with the width.",
        ),
    ],
)
def causal_attention(
    queries: Float[Tensor, "T d"], keys: Float[Tensor, "T d"], values: Float[Tensor, "T d"]
) -> Float[Tensor, "T d"]:
    """What each of T tokens takes from itself and those before it, by one head of attention.

    Row t of the result is the mean of the values up to t, weighted by the softmax of the scaled
    products of query t with the keys up to t.
    """
    scores = queries @ keys.T / queries.shape[1] ** 0.5
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, float("-inf")).softmax(dim=1) @ values


def _adam_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_steps in (1, 2, 30):
        parameter, gradient, mean = torch.randn(3, 5, generator=rng)
        mean_square = torch.rand(5, generator=rng)
        if n_steps == 1:
            mean, mean_square = torch.zeros(5), torch.zeros(5)
        yield parameter, gradient, mean, mean_square, n_steps
    # So small a gradient that epsilon counts: the step is 5/11 of the rate.
    small = torch.full((5,), 1e-8)
    yield parameter, small, torch.zeros(5), torch.zeros(5), 1


def _adam(
    parameter: Tensor,
    gradient: Tensor,
    mean: Tensor,
    mean_square: Tensor,
    n_steps: int,
    *,
    corrected: bool = True,
    sign: int = -1,
    root: bool = True,
    inside: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    mean = 0.9 * mean + 0.1 * gradient
    mean_square = 0.999 * mean_square + 0.001 * gradient.square()
    m, v = mean, mean_square
    if corrected:
        m, v = m / (1 - 0.9**n_steps), v / (1 - 0.999**n_steps)
    size = v.sqrt() if root else v
    divisor = (v + 1e-8).sqrt() if inside else size + 1e-8
    return parameter + sign * 0.01 * m / divisor, mean, mean_square


@exercise(
    "adam-step",
    page=PAGE,
    level="core",
    cases=_adam_cases,
    hint="update both averages first, then divide each by 1 minus its share to the power n_steps.",
    remark="Return the averages as they are: the correction is for this step alone, and is made "
    "anew in the next.",
    mistakes=[
        Mistake(
            lambda *a: _adam(*a, corrected=False),
            "the averages begin at 0 and are too small at first. In step 1 they hold a tenth and a "
            "thousandth of what they should: divide by 1 − 0.9ᵗ and 1 − 0.999ᵗ.",
        ),
        Mistake(lambda *a: _adam(*a, sign=1), "this climbs: the step goes against the gradient."),
        Mistake(
            lambda *a: _adam(*a, root=False),
            "divide by the root of the mean square, or the step gets smaller the larger the "
            "gradient is.",
        ),
        Mistake(
            lambda *a: _adam(*a, inside=True),
            "epsilon is added to the root, not under it. Under it 1e-8 would be as large as a "
            "gradient of 1e-4.",
        ),
    ],
)
def adam_step(
    parameter: Float[Tensor, " N"],
    gradient: Float[Tensor, " N"],
    mean: Float[Tensor, " N"],
    mean_square: Float[Tensor, " N"],
    n_steps: int,
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"], Float[Tensor, " N"]]:
    """One step of Adam with learning rate 0.01, betas 0.9 and 0.999, and epsilon 1e-8.

    ``mean`` and ``mean_square`` are the averages before the step, ``n_steps`` counts this step too,
    from 1. Return the new parameter and both new averages.
    """
    mean = 0.9 * mean + 0.1 * gradient
    mean_square = 0.999 * mean_square + 0.001 * gradient.square()
    size = (mean_square / (1 - 0.999**n_steps)).sqrt()
    step = 0.01 * (mean / (1 - 0.9**n_steps)) / (size + 1e-8)
    return parameter - step, mean, mean_square
