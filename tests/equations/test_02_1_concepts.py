"""Both sides of every equation of page 2.1, computed."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import softplus

from aigc_tutorial.data import MarkovChain, RecallTask, ring_chain
from aigc_tutorial.nn.attention import attend
from aigc_tutorial.optim import formulas

density = st.floats(1e-6, 1e3)
point = st.floats(-10, 10)
rate = st.floats(0.01, 0.9)


@pytest.mark.equation("concepts-best-discriminator")
@given(density, density)
def test_best_answer_is_the_share_of_real_samples(p, q):
    best = p / (p + q)
    assert best == pytest.approx(1 / (1 + math.exp(math.log(q) - math.log(p))), rel=1e-9)

    def gain(answer: float) -> float:
        return p * math.log(answer) + q * math.log(1 - answer)

    answers = [i / 1000 for i in range(1, 1000)]
    if answers[0] < best < answers[-1]:
        assert all(gain(answer) <= gain(best) for answer in answers)
        nearest = max(answers, key=gain)
        assert abs(nearest - best) <= 1e-3


@pytest.mark.equation("concepts-entropy-floor")
@pytest.mark.parametrize("seed", range(3))
def test_loss_is_entropy_plus_divergence(seed):
    chain = ring_chain()
    random = torch.Generator().manual_seed(seed)
    model = (2 * torch.randn(8, 8, generator=random, dtype=torch.float64)).softmax(dim=1)
    weights = chain.stationary[:, None] * chain.transition
    loss = -(weights * model.log()).sum().item()
    divergence = torch.special.xlogy(chain.transition, chain.transition / model).sum(dim=1)
    assert (divergence > 0).all()
    right = chain.entropy_rate + (chain.stationary @ divergence).item()
    assert loss == pytest.approx(right, rel=1e-9)


def test_the_floor_is_reached_by_the_source_alone():
    chain = ring_chain()
    weights = chain.stationary[:, None] * chain.transition
    own = -torch.special.xlogy(weights, chain.transition).sum().item()
    assert own == pytest.approx(chain.entropy_rate, rel=1e-12)
    other = MarkovChain(0.9 * chain.transition + 0.1 / 8)
    assert -(weights * other.transition.log()).sum().item() > own + 0.01


def test_attention_is_a_weighted_mean_of_earlier_values():
    random = torch.Generator().manual_seed(0)
    queries, keys, values = torch.randn(3, 6, 4, generator=random, dtype=torch.float64)
    by_hand = torch.zeros(6, 4, dtype=torch.float64)
    for m in range(6):
        scores = [math.exp(float(queries[m] @ keys[n]) / math.sqrt(4)) for n in range(m + 1)]
        for n in range(m + 1):
            by_hand[m] += scores[n] / sum(scores) * values[n]
    result = attend(queries[None, None], keys[None, None], values[None, None])[0, 0]
    torch.testing.assert_close(result, by_hand)


@pytest.mark.equation("concepts-blind-recall")
@pytest.mark.parametrize(("n_pairs", "n_values"), [(2, 3), (3, 2), (4, 2)])
def test_share_of_questions_that_the_last_value_answers(n_pairs, n_values):
    right = total = 0
    for values in product(range(n_values), repeat=n_pairs):
        for asked in range(n_pairs):
            right += values[asked] == values[-1]
            total += 1
    formula = 1 / n_pairs + (1 - 1 / n_pairs) / n_values
    assert right / total == pytest.approx(formula, rel=1e-12)


def test_no_other_guess_from_the_last_value_does_better():
    tokens, _ = RecallTask(8, 8, 6).sample(40_000, rng=torch.Generator().manual_seed(1))
    last, answer = tokens[:, -3] - 8, tokens[:, -1] - 8
    shares = [((last + shift) % 8 == answer).double().mean().item() for shift in range(8)]
    assert shares[0] == pytest.approx(1 / 6 + 5 / 48, abs=0.01)
    assert all(share == pytest.approx(5 / 48, abs=0.01) for share in shares[1:])


GRADIENTS = [0.5, -2.0, 3.0, 0.1, -0.7]


def torch_path(optimizer_class: Any, **settings: Any) -> list[float]:
    """Where torch's optimizer takes a parameter that starts at 1, through these gradients."""
    parameter = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_class([parameter], **settings)
    path = []
    for gradient in GRADIENTS:
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        path.append(parameter.item())
    return path


@pytest.mark.equation("concepts-momentum")
@pytest.mark.parametrize("mu", [0.0, 0.9])
def test_momentum(mu):
    theta, m, path = 1.0, 0.0, []
    for g in GRADIENTS:
        m = mu * m + g
        theta = theta - 0.1 * m
        path.append(theta)
    assert path == pytest.approx(torch_path(torch.optim.SGD, lr=0.1, momentum=mu), rel=1e-12)


@pytest.mark.equation("concepts-rmsprop")
def test_rmsprop():
    theta, v, path = 1.0, 0.0, []
    for g in GRADIENTS:
        v = 0.9 * v + 0.1 * g**2
        theta = theta - 0.1 * g / (math.sqrt(v) + 1e-8)
        path.append(theta)
    theirs = torch_path(torch.optim.RMSprop, lr=0.1, alpha=0.9, eps=1e-8)
    assert path == pytest.approx(theirs, rel=1e-12)


@pytest.mark.equation("concepts-adam")
def test_adam():
    theta, m, v, path = 1.0, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        theta = theta - 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.99**t)) + 1e-8)
        path.append(theta)
    theirs = torch_path(torch.optim.Adam, lr=0.1, betas=(0.9, 0.99), eps=1e-8)
    assert path == pytest.approx(theirs, rel=1e-12)


def after_one_step(x0: float, y0: float, eta: float, turns: str) -> tuple[float, float]:
    x = torch.tensor(x0, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(y0, dtype=torch.float64, requires_grad=True)

    def gradients() -> None:
        (x.grad,), (y.grad,) = torch.autograd.grad(x * y, x), torch.autograd.grad(-x * y, y)

    if turns == "extragradient":
        formulas.Extragradient([x, y], lr=eta).step(gradients)
    else:
        gradients()
        formulas.SGD([x], lr=eta).step()
        if turns == "alternating":
            gradients()
        formulas.SGD([y], lr=eta).step()
    return x.item(), y.item()


@pytest.mark.equation("concepts-radius")
@given(point, point, rate)
def test_one_step_scales_the_squared_radius(x, y, eta):
    for turns, factor in (("simultaneous", 1 + eta**2), ("extragradient", 1 - eta**2 + eta**4)):
        a, b = after_one_step(x, y, eta, turns)
        assert a**2 + b**2 == pytest.approx(factor * (x**2 + y**2), rel=1e-9, abs=1e-12)


@pytest.mark.equation("concepts-invariant")
@given(point, point, rate)
def test_alternating_steps_keep_a_quadratic_form(x, y, eta):
    a, b = after_one_step(x, y, eta, "alternating")
    before, after = x**2 - eta * x * y + y**2, a**2 - eta * a * b + b**2
    assert after == pytest.approx(before, rel=1e-9, abs=1e-9)


@pytest.mark.equation("concepts-weak-spread")
@pytest.mark.parametrize(("w", "b", "m", "s"), [(0.7, -0.2, -2.0, 1.0), (-1.5, 0.4, 1.5, 0.3)])
def test_before_a_straight_line_spread_can_only_shrink(w, b, m, s):
    log_s = torch.tensor(math.log(s), dtype=torch.float64, requires_grad=True)
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = (-z.square() / 2).exp() / math.sqrt(2 * math.pi) * (z[1] - z[0])
    logits = w * (m + log_s.exp() * z) + b
    loss = (softplus(-logits) * density).sum()
    (left,) = torch.autograd.grad(loss, log_s)
    d = logits.detach().sigmoid()
    right = w**2 * s**2 * (d * (1 - d) * density).sum()
    assert left.item() == pytest.approx(right.item(), rel=1e-6)
    assert left > 0
