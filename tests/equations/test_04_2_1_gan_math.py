"""Both sides of every equation of page 4.2.1, computed."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributions import Normal

from aigc_tutorial import evaluation, gan
from aigc_tutorial.gan import losses, penalties

X = torch.linspace(-14, 14, 28_001, dtype=torch.float64)
DX = 28 / 28_000
P = Normal(torch.tensor(-0.5).double(), torch.tensor(0.8).double())
Q = Normal(torch.tensor(1.0).double(), torch.tensor(1.3).double())
p, q = P.log_prob(X).exp(), Q.log_prob(X).exp()
best = p / (p + q)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def integral(values: Tensor) -> float:
    return float(values.sum() * DX)


def value(d: Tensor) -> float:
    """V(D, G) as an integral, for a discriminator given at the points."""
    return integral(torch.xlogy(p, d) + torch.xlogy(q, 1 - d))


def some_discriminator(x: Tensor) -> Tensor:
    """Not the best one."""
    return torch.sigmoid(0.7 - 1.1 * x + 0.3 * x.sin())


def kl(a: Tensor, b: Tensor) -> float:
    return integral(torch.special.xlogy(a, a / b))


JSD = 0.5 * kl(p, 0.5 * (p + q)) + 0.5 * kl(q, 0.5 * (p + q))


@pytest.mark.equation("gan-value", "gan-value-integral")
def test_value_over_latents_is_an_integral_over_data():
    n = 400_000
    x = -0.5 + 0.8 * torch.randn(n, generator=seeded(1), dtype=torch.float64)
    z = torch.randn(n, generator=seeded(2), dtype=torch.float64)
    fake = 1.0 + 1.3 * z  # G(z), with the density q
    by_samples = some_discriminator(x).log().mean() + (1 - some_discriminator(fake)).log().mean()
    assert value(some_discriminator(X)) == pytest.approx(float(by_samples), abs=0.01)
    loss = losses.minimax_discriminator_loss(
        some_discriminator(x).logit(), some_discriminator(fake).logit()
    )
    assert float(loss) == pytest.approx(-float(by_samples), rel=1e-9)


@pytest.mark.equation("gan-value")
def test_the_game_is_decided_where_the_generator_makes_the_data():
    """min over G of max over D: over normal generators, and discriminators a + b x + c x²."""

    def best_answer(mean: float, std: float) -> float:
        log_q = Normal(torch.tensor(mean).double(), torch.tensor(std).double()).log_prob(X)
        q_here = log_q.exp()
        design = torch.stack([torch.ones_like(X), X, X.square()])
        weights = torch.zeros(3, dtype=torch.float64)
        for _ in range(60):  # Newton's method: the value is concave in the logit
            d = (weights @ design).sigmoid()
            slope = (design * (p * (1 - d) - q_here * d)).sum(1)
            curvature = (design * ((p + q_here) * d * (1 - d))) @ design.T
            weights = weights + torch.linalg.solve(curvature, slope)
        a = weights @ design
        log_d, log_not_d = nn.functional.logsigmoid(a), nn.functional.logsigmoid(-a)
        return integral(p * log_d + q_here * log_not_d)

    grid = [(mean, std) for mean in (-0.8, -0.5, -0.2) for std in (0.6, 0.8, 1.1)]
    values = {generator: best_answer(*generator) for generator in grid}
    assert min(values, key=lambda generator: values[generator]) == (-0.5, 0.8)
    assert values[-0.5, 0.8] == pytest.approx(-math.log(4), abs=1e-9)
    assert min(v for g, v in values.items() if g != (-0.5, 0.8)) > -math.log(4) + 1e-3


positive = st.floats(0.01, 5)


@pytest.mark.equation("gan-pointwise", "gan-optimal-discriminator")
@given(positive, positive, st.floats(0.01, 0.99))
def test_the_integrand_has_one_maximum(p_here, q_here, elsewhere):
    def h(d: Tensor) -> Tensor:
        return p_here * d.log() + q_here * (1 - d).log()

    d = torch.tensor(elsewhere, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(h(d), d, create_graph=True)
    (second,) = torch.autograd.grad(first, d)
    assert first.item() == pytest.approx(p_here / elsewhere - q_here / (1 - elsewhere))
    assert second.item() == pytest.approx(
        -p_here / elsewhere**2 - q_here / (1 - elsewhere) ** 2, rel=1e-6
    )
    assert second < 0
    at_best = torch.tensor(p_here / (p_here + q_here), dtype=torch.float64)
    assert h(at_best) >= h(d).detach() - 1e-12
    assert p_here / at_best - q_here / (1 - at_best) == pytest.approx(0, abs=1e-9)


@pytest.mark.equation("gan-optimal-logit")
def test_best_logit_is_the_log_ratio():
    inside = (p > 1e-30) & (q > 1e-30) & (best < 1 - 1e-9)
    expected = P.log_prob(X) - Q.log_prob(X)
    torch.testing.assert_close(best.logit()[inside], expected[inside], rtol=1e-5, atol=1e-6)


@pytest.mark.equation("gan-value-optimum")
def test_value_of_the_best_discriminator():
    assert value(best) == pytest.approx(-math.log(4) + 2 * JSD, abs=1e-9)
    package = evaluation.jensen_shannon_1d(P.log_prob(X), Q.log_prob(X), DX)
    assert package == pytest.approx(JSD, abs=1e-9)
    assert value(torch.full_like(X, 0.5)) == pytest.approx(-math.log(4), abs=1e-9)


def jsd_of_table(a: Tensor, b: Tensor) -> float:
    """Of two tables of probabilities, term by term."""
    total = 0.0
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        total += 0.5 * x * math.log(2 * x / (x + y)) if x > 0 else 0.0
        total += 0.5 * y * math.log(2 * y / (x + y)) if y > 0 else 0.0
    return total


@pytest.mark.equation("gan-jsd-range")
@given(st.floats(-4, 4), st.floats(0.1, 2))
def test_divergence_lies_between_zero_and_log_two(mean, std):
    other = Normal(torch.tensor(mean).double(), torch.tensor(std).double()).log_prob(X)
    divergence = evaluation.jensen_shannon_1d(P.log_prob(X), other, DX)
    assert 0 <= divergence <= math.log(2) + 1e-9
    if abs(mean + 0.5) + abs(std - 0.8) > 0.05:
        assert divergence > 0
    assert evaluation.jensen_shannon_1d(other, other, DX) == pytest.approx(0, abs=1e-12)


@pytest.mark.equation("gan-jsd-range")
@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_both_ends_are_reached_and_only_there(n, n_shared, seed):
    """0 for equal tables alone, log 2 for tables without a common entry alone."""
    weights = torch.rand(2, n, generator=seeded(seed), dtype=torch.float64) + 0.01
    zeros = torch.zeros(n, dtype=torch.float64)
    a, b = weights / weights.sum(1, keepdim=True)
    assert jsd_of_table(a, a) == 0
    assert jsd_of_table(a, b) > 1e-9
    apart = torch.cat([a, zeros]), torch.cat([zeros, b])
    assert jsd_of_table(*apart) == pytest.approx(math.log(2), abs=1e-12)
    overlap = min(n_shared, n)  # move b so that this many entries are common
    nearly = torch.cat([a, zeros]), torch.cat([zeros[: n - overlap], b, zeros[:overlap]])
    assert jsd_of_table(*nearly) < math.log(2) - 1e-6


@pytest.mark.equation("gan-jsd-range")
def test_far_normal_distributions_reach_log_two():
    far = Normal(torch.tensor(11.0).double(), torch.tensor(0.2).double()).log_prob(X)
    divergence = evaluation.jensen_shannon_1d(P.log_prob(X), far, DX)
    assert divergence == pytest.approx(math.log(2), abs=1e-9)


@pytest.mark.equation("gan-value-gap")
def test_what_a_discriminator_misses():
    d = some_discriminator(X)
    coins = torch.special.xlogy(best, best / d) + torch.special.xlogy(
        1 - best, (1 - best) / (1 - d)
    )
    gap = integral((p + q) * coins)
    assert gap > 0
    assert value(best) - value(d) == pytest.approx(gap, abs=1e-8)


@pytest.mark.equation("gan-logit-gradients")
@pytest.mark.parametrize("a", [-10.0, -2.0, 0.0, 3.0])
def test_gradients_by_the_logit(a):
    logit = torch.tensor([a], dtype=torch.float64, requires_grad=True)
    sigma = 1 / (1 + math.exp(-a))
    for loss, closed, by_quotient in (
        (losses.saturating_generator_loss, -sigma, -sigma * (1 - sigma) / (1 - sigma)),
        (losses.non_saturating_generator_loss, sigma - 1, -sigma * (1 - sigma) / sigma),
    ):
        (gradient,) = torch.autograd.grad(loss(logit), logit)
        assert gradient.item() == pytest.approx(closed)
        assert gradient.item() == pytest.approx(by_quotient)


@pytest.mark.equation("gan-chain")
@pytest.mark.parametrize(
    "loss", [losses.saturating_generator_loss, losses.non_saturating_generator_loss]
)
def test_the_chain_from_logit_to_parameter(loss):
    torch.manual_seed(0)
    logit_of = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)).double()
    theta = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    z = torch.randn(7, 3, dtype=torch.float64, generator=seeded())
    x = (z @ theta.T).tanh()  # G(z)
    (direct,) = torch.autograd.grad(loss(logit_of(x)), theta, retain_graph=True)

    a = logit_of(x).detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(len(a) * loss(a), a)
    uphill = penalties.input_gradient(logit_of, x).detach()
    terms = []
    for i in range(len(z)):
        by_theta = torch.autograd.functional.jacobian(
            lambda t, i=i: (t @ z[i]).tanh(), theta.detach()
        )
        terms.append(slopes[i] * torch.einsum("i,ijk->jk", uphill[i], by_theta))
    torch.testing.assert_close(direct, torch.stack(terms).mean(0))


@pytest.mark.equation("gan-non-saturating-divergence")
@pytest.mark.parametrize("mean", [0.2, 1.0, 3.0])
def test_what_the_non_saturating_generator_minimises(mean):
    """By the generator's mean; sides: a mean over latents, and differences of divergences."""

    def log_q(m: float) -> Tensor:
        return Normal(torch.tensor(m).double(), Q.stddev).log_prob(X)

    shift = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
    # Latents as quantiles: a mean over them without the noise of sampling.
    z = Normal(torch.zeros((), dtype=torch.float64), 1.0).icdf(
        (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    )
    x = shift + Q.stddev * z
    frozen = Normal(torch.tensor(mean).double(), Q.stddev)
    loss = losses.non_saturating_generator_loss(P.log_prob(x) - frozen.log_prob(x))
    # The best opponent of the present generator is held: its own dependence on the mean is cut.
    (left,) = torch.autograd.grad(loss, shift)

    def right_side(m: float) -> float:
        density = log_q(m).exp()
        jsd = evaluation.jensen_shannon_1d(P.log_prob(X), log_q(m), DX)
        return integral(density * (log_q(m) - P.log_prob(X))) - 2 * jsd

    step = 1e-3
    right = (right_side(mean + step) - right_side(mean - step)) / (2 * step)
    assert left.item() == pytest.approx(right, rel=3e-4, abs=1e-4)


def log_normal_density(mean: float, std: float) -> Tensor:
    return Normal(torch.tensor(mean).double(), torch.tensor(std).double()).log_prob(X)


def non_saturating_sides(log_p: Tensor, log_q: Tensor) -> tuple[float, float]:
    """KL(q‖p) − 2 JSD(p, q), and 2 KL(m‖p), from logarithms of densities."""
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    left = integral(log_q.exp() * (log_q - log_p))
    left -= 2 * evaluation.jensen_shannon_1d(log_p, log_q, DX)
    return left, 2 * integral(log_m.exp() * (log_m - log_p))


@pytest.mark.equation("gan-non-saturating-identity")
@given(st.floats(-3, 3), st.floats(0.3, 1.5), st.floats(-3, 3), st.floats(0.3, 1.5))
def test_what_the_non_saturating_generator_minimises_is_a_divergence(m_p, s_p, m_q, s_q):
    left, right = non_saturating_sides(log_normal_density(m_p, s_p), log_normal_density(m_q, s_q))
    assert left == pytest.approx(right, rel=1e-6, abs=1e-8)
    assert right >= -1e-9
    if abs(m_p - m_q) + abs(s_p - s_q) > 0.05:
        assert right > 0


@pytest.mark.equation("gan-non-saturating-identity")
@pytest.mark.parametrize(
    ("shift", "nats"), [(0.2, 0.01005), (1.0, 0.27716), (3.0, 3.44645), (6.0, 16.62140)]
)
def test_the_divergence_of_two_unit_normals(shift, nats):
    sides = non_saturating_sides(log_normal_density(0, 1), log_normal_density(shift, 1))
    assert sides == pytest.approx((nats, nats), abs=1e-5)


def softened(r: Tensor) -> Tensor:
    """f of 2 KL(m‖p) at r = p/q."""
    return (1 + r) * ((1 + r) / (2 * r)).log()


F_DIVERGENCES = {
    "likelihood": (lambda r: r * r.log(), lambda r: 1 / r),
    "minimax": (
        lambda r: r * r.log() - (1 + r) * ((1 + r) / 2).log(),
        lambda r: 1 / (r * (1 + r)),
    ),
    "non-saturating": (softened, lambda r: 1 / (r.square() * (1 + r))),
    "reverse": (lambda r: -r.log(), lambda r: 1 / r.square()),
}
KNOWN = {
    "likelihood": kl(p, q),
    "minimax": 2 * JSD,
    "non-saturating": 2 * kl(0.5 * (p + q), p),
    "reverse": kl(q, p),
}


@pytest.mark.equation("gan-f-divergence")
@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_each_objective_is_an_f_divergence(name):
    f, curvature = F_DIVERGENCES[name]
    inside = (p > 1e-60) & (q > 1e-60)
    ratio = p[inside] / q[inside]
    assert integral(q[inside] * f(ratio)) == pytest.approx(KNOWN[name], abs=1e-7)
    assert KNOWN[name] > 0
    at = torch.tensor([0.05, 0.4, 1.0, 3.0, 50.0], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(f(at).sum(), at, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), at)
    torch.testing.assert_close(second, curvature(at.detach()))
    assert f(torch.ones(1, dtype=torch.float64)).item() == 0


@pytest.mark.equation("gan-f-bound")
@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_a_game_for_every_f(name):
    f, _ = F_DIVERGENCES[name]
    inside = (p > 1e-60) & (q > 1e-60)
    real, fake = p[inside], q[inside]

    def bound(t_of_ratio: Tensor) -> float:
        """The bound at T = f'(r), whose f*(T) is T r − f(r) by the tangent at r."""
        r = t_of_ratio.detach().requires_grad_(True)
        (t,) = torch.autograd.grad(f(r).sum(), r)
        conjugate = t * r.detach() - f(r.detach())
        return integral(real * t - fake * conjugate)

    ratio = real / fake
    at_best = bound(ratio)
    assert at_best == pytest.approx(KNOWN[name], abs=1e-4)
    for other in (ratio.sqrt(), 1.5 * ratio, torch.ones_like(ratio)):
        assert bound(other) < at_best


@pytest.mark.equation("gan-f-bound")
def test_the_value_of_the_game_is_such_a_bound():
    """f(r) = r log r − (1 + r) log(1 + r): f* by search, and T = log D."""
    d = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    r = torch.logspace(-3, 3, 200_001, dtype=torch.float64)
    f = r * r.log() - (1 + r) * (1 + r).log()
    conjugate = torch.stack([(t * r - f).max() for t in d.log()])
    torch.testing.assert_close(conjugate, -(1 - d).log(), atol=1e-6, rtol=1e-6)


def couplings(n: int) -> Tensor:
    """All plans that send each of n samples to one place."""
    return torch.tensor(list(itertools.permutations(range(n))))


@pytest.mark.equation("gan-lost-modes")
@pytest.mark.parametrize("n_covered", [1, 3, 7, 8])
def test_the_price_of_lost_modes(n_covered):
    r = n_covered / 8
    p = torch.full((8,), 1 / 8, dtype=torch.float64)
    q = torch.zeros(8, dtype=torch.float64)
    q[:n_covered] = 1 / n_covered
    middle = (p + q) / 2
    jsd = 0.5 * sum(float(torch.special.xlogy(x, x / middle).sum()) for x in (p, q))
    minimax = math.log(4) + r * math.log(r) - (1 + r) * math.log(1 + r)
    assert 2 * jsd == pytest.approx(minimax, abs=1e-12)
    assert minimax < math.log(4)
    softer = 2 * float((middle * (middle / p).log()).sum())
    non_saturating = (1 + r) * math.log(1 + r) - (1 + r) * math.log(r) - math.log(4)
    assert softer == pytest.approx(non_saturating, abs=1e-12)
    kl = float((p * (p / q).log()).sum())
    assert kl == (0 if n_covered == 8 else math.inf)


@pytest.mark.equation("gan-lost-modes")
def test_the_first_lost_mode_is_cheaper_and_the_last_one_dearer_without_saturation():
    def prices(r: float) -> tuple[float, float]:
        minimax = math.log(4) + r * math.log(r) - (1 + r) * math.log(1 + r)
        return minimax, (1 + r) * math.log(1 + r) - (1 + r) * math.log(r) - math.log(4)

    assert prices(7 / 8) == pytest.approx((0.0908, 0.0427), abs=1e-4)
    assert prices(1 / 8) == pytest.approx((0.994, 1.086), abs=1e-3)
    minimax, non_saturating = prices(1e-30)
    assert minimax == pytest.approx(math.log(4))
    assert non_saturating == pytest.approx(30 * math.log(10) - math.log(4))


@pytest.mark.equation("gan-w1", "gan-w1-sorted")
@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_plan_on_a_line_keeps_the_order(seed):
    x, y = torch.randn(2, 6, generator=seeded(seed), dtype=torch.float64)
    cheapest = (x - y[couplings(6)]).abs().mean(1).min().item()
    assert evaluation.wasserstein_1d(x, y) == pytest.approx(cheapest)
    by_hand = sum(abs(a - b) for a, b in zip(sorted(x.tolist()), sorted(y.tolist()), strict=True))
    assert by_hand / 6 == pytest.approx(cheapest)


@pytest.mark.equation("gan-w1")
@pytest.mark.parametrize("seed", range(4))
def test_plans_that_split_a_sample_are_no_cheaper(seed):
    """Random plans with both margins right, of which a permutation is a special case."""
    x, y = torch.randn(2, 5, generator=seeded(seed), dtype=torch.float64)
    costs, orders = (x[:, None] - y).abs(), couplings(5)
    cheapest = evaluation.wasserstein_1d(x, y)
    one_hot = nn.functional.one_hot(orders, 5).double() / 5  # (120, 5, 5): every whole plan
    shares = torch.rand(2_000, 120, generator=seeded(seed), dtype=torch.float64).pow(20)
    plans = torch.einsum("sp,pij->sij", shares / shares.sum(1, keepdim=True), one_hot)
    torch.testing.assert_close(plans.sum(1), torch.full((2_000, 5), 0.2).double())
    torch.testing.assert_close(plans.sum(2), torch.full((2_000, 5), 0.2).double())
    assert float((plans * costs).sum((1, 2)).min()) >= cheapest - 1e-12
    # Without the margins everything would go to its nearest place, which is cheaper.
    assert float(costs.min(1).values.mean()) < cheapest


@pytest.mark.equation("gan-uncross")
@given(*[st.floats(-5, 5)] * 4)
def test_carrying_crosswise_is_never_cheaper(a, b, c, d):
    (x_1, x_2), (y_1, y_2) = sorted((a, b)), sorted((c, d))
    assert abs(x_1 - y_1) + abs(x_2 - y_2) <= abs(x_1 - y_2) + abs(x_2 - y_1) + 1e-12


def best_critic(x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    """Scores of x and y, of slope at most 1, that fall by the whole way along a cheapest plan.

    These are differences that must not exceed distances: shortest paths (Bellman and Ford).
    """
    points = torch.cat([x, y])
    limits = torch.cdist(points, points)  # f(a) - f(b) <= limits[a, b]
    for i, j in enumerate(order.tolist()):
        limits[len(x) + j, i] = -(x[i] - y[j]).norm()  # f(x) - f(y) is the distance itself
    scores = torch.zeros(len(points), dtype=x.dtype)
    for _ in range(len(points)):
        scores = torch.minimum(scores, (scores + limits).amin(1))
    return scores


@pytest.mark.equation("gan-kantorovich-rubinstein")
@pytest.mark.parametrize("seed", range(4))
def test_in_the_plane_the_best_critic_meets_the_cheapest_plan(seed):
    x, y = torch.randn(2, 6, 2, generator=seeded(seed), dtype=torch.float64)
    y = 1.5 * y + 0.3
    costs, orders = torch.cdist(x, y), couplings(6)
    of_plans = costs[torch.arange(6), orders].mean(1)
    cheapest, order = float(of_plans.min()), orders[of_plans.argmin()]
    scores, points = best_critic(x, y, order), torch.cat([x, y])

    def critic(at: Tensor) -> Tensor:
        """The scores carried on to the whole plane; slope 1 is kept."""
        return (scores + torch.cdist(at, points)).amin(1)

    torch.testing.assert_close(critic(points), scores)
    a, b = 3 * torch.randn(2, 5_000, 2, generator=seeded(9), dtype=torch.float64)
    assert ((critic(a) - critic(b)).abs() <= (a - b).norm(dim=1) + 1e-12).all()
    assert float(critic(x).mean() - critic(y).mean()) == pytest.approx(cheapest, abs=1e-12)

    # And none of many other functions of slope at most 1 does better: cones, planes, sines.
    centres = torch.randn(2_000, 4, 2, generator=seeded(seed + 50), dtype=torch.float64)
    heights = torch.randn(2_000, 4, 1, generator=seeded(seed + 60), dtype=torch.float64)
    cones = (heights + torch.cdist(centres, points.expand(2_000, -1, -1))).amin(1)
    slopes = nn.functional.normalize(centres[:, 0], dim=1)
    waves = (slopes @ points.T + heights[:, 0]).sin()
    for others in (cones, -cones, slopes @ points.T, waves):
        gains = others[:, :6].mean(1) - others[:, 6:].mean(1)
        assert float(gains.max()) <= cheapest + 1e-12
    steeper = 1.1 * scores  # slope 1 is the condition: a steeper one passes the plan
    assert float(steeper[:6].mean() - steeper[6:].mean()) > cheapest


@pytest.mark.equation("gan-kantorovich-rubinstein")
def test_the_best_lipschitz_critic_meets_the_cheapest_plan():
    """The critic whose slope is the sign of Q - P, against sorted quantiles."""
    slope = (Q.cdf(X) - P.cdf(X)).sign()
    critic = slope.cumsum(0) * DX
    levels = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    plan = evaluation.wasserstein_1d(P.icdf(levels), Q.icdf(levels))
    assert integral((p - q) * critic) == pytest.approx(plan, abs=2e-3)
    for other in (X.sin(), -X, (X - 0.3).abs(), -X.clamp(-1, 2)):  # all of slope at most 1
        assert integral((p - q) * other) <= plan + 1e-6


@pytest.mark.equation("gan-by-parts")
def test_integration_by_parts():
    f, slope = (0.8 * X).sin() - 0.3 * X, 0.8 * (0.8 * X).cos() - 0.3
    by_slopes = integral(slope * (Q.cdf(X) - P.cdf(X)))
    assert integral((p - q) * f) == pytest.approx(by_slopes, abs=1e-6)
    assert by_slopes <= 1.1 * integral((Q.cdf(X) - P.cdf(X)).abs())


@pytest.mark.equation("gan-total-variation")
def test_the_best_critic_between_zero_and_one():
    total_variation = 0.5 * integral((p - q).abs())
    assert integral((p - q).clamp(min=0)) == pytest.approx(total_variation, abs=1e-9)
    assert integral((p - q) * (p > q)) == pytest.approx(total_variation, abs=1e-9)
    for seed in range(5):
        f = torch.rand(len(X), generator=seeded(seed), dtype=torch.float64)
        assert integral((p - q) * f) <= total_variation
    assert integral((p - q) * some_discriminator(X)) <= total_variation
    far = Normal(torch.tensor(9.0).double(), torch.tensor(0.3).double()).log_prob(X).exp()
    assert 0.5 * integral((p - far).abs()) == pytest.approx(1, abs=1e-6)


@pytest.mark.equation("gan-penalty-bias")
@pytest.mark.parametrize("distance", [1.0, 4.0, 8.0])
def test_how_far_a_penalised_slope_overshoots(distance):
    strength = 10.0
    slopes = torch.linspace(-3, 3, 600_001, dtype=torch.float64)
    x_real, x_fake = torch.zeros(4, 1).double(), torch.full((4, 1), distance).double()

    def objective(c: float) -> float:
        def score(x: Tensor) -> Tensor:
            return -c * x[:, 0]

        penalty = penalties.gradient_penalty(score, x_real, x_fake, rng=seeded())
        loss = losses.wasserstein_critic_loss(score(x_real), score(x_fake))
        return -float(loss + strength * penalty)

    curve = slopes * distance - strength * (slopes.abs() - 1).square()
    for c in (-1.5, 0.2, 1.0, 2.0):
        assert objective(c) == pytest.approx(c * distance - strength * (abs(c) - 1) ** 2)
    c = float(slopes[curve.argmax()])
    assert c == pytest.approx(1 + distance / (2 * strength), abs=1e-4)
    assert c * distance == pytest.approx(distance * (1 + distance / (2 * strength)), abs=1e-3)
    negative = slopes < 0  # the summit on the wrong side
    c = -float(slopes[negative][curve[negative].argmax()])
    assert c == pytest.approx(1 - distance / (2 * strength), abs=1e-4)


def states() -> Tensor:
    return torch.randn(8, 2, generator=seeded(5), dtype=torch.float64)


@pytest.mark.equation("gan-dirac-losses")
def test_losses_of_two_numbers():
    game = gan.DiracGAN(losses.MINIMAX, r1_gamma=0.7)
    for state in states():
        theta, psi = state.tolist()
        softplus = math.log1p(math.exp(psi * theta))
        assert game.loss_discriminator(state).item() == pytest.approx(
            math.log(2) + softplus + 0.35 * psi**2
        )
        assert game.loss_generator(state).item() == pytest.approx(-softplus)


@pytest.mark.equation("gan-dirac-field", "gan-dirac-energy")
def test_motion_of_two_numbers():
    gamma = 0.7
    theta, psi = states().unbind(1)
    sigma = torch.sigmoid(psi * theta)
    field = gan.DiracGAN(losses.MINIMAX, r1_gamma=gamma).field(states())
    torch.testing.assert_close(field[:, 0], psi * sigma)
    torch.testing.assert_close(field[:, 1], -theta * sigma - gamma * psi)
    energy_change = (states() * field).sum(1)
    torch.testing.assert_close(energy_change, -gamma * psi.square())


@pytest.mark.equation("gan-dirac-eigenvalues")
@pytest.mark.parametrize("gamma", [0.0, 0.4, 1.0, 2.5])
def test_eigenvalues_at_rest(gamma):
    jacobian = gan.DiracGAN(losses.MINIMAX, r1_gamma=gamma).jacobian()
    torch.testing.assert_close(jacobian, torch.tensor([[0, 0.5], [-0.5, -gamma]]).double())
    root = 0.5 * complex(gamma**2 - 1) ** 0.5
    expected = sorted([-gamma / 2 + root, -gamma / 2 - root], key=lambda v: (v.real, v.imag))
    found = sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda v: (v.real, v.imag))
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.equation("gan-dirac-steps")
@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("step", [0.1, 0.5])
def test_growth_of_a_deviation_in_a_step(gamma, step):
    game = gan.DiracGAN(losses.MINIMAX, r1_gamma=gamma)
    eye = torch.eye(2, dtype=torch.float64)

    def matrix(*, alternating: bool) -> Tensor:
        """The linear map of one step, from the orbits of two small deviations."""
        columns = [
            game.orbit(tuple(d.tolist()), step_size=step, n_steps=1, alternating=alternating)[1]
            for d in 1e-6 * eye
        ]
        return torch.stack(columns, dim=1) / 1e-6

    at_once = torch.linalg.eigvals(matrix(alternating=False))
    by_jacobian = torch.linalg.eigvals(eye + step * game.jacobian())
    torch.testing.assert_close(at_once.abs(), by_jacobian.abs(), atol=1e-5, rtol=1e-5)
    expected = 1 - step * gamma + step**2 / 4
    assert at_once.abs().square().tolist() == pytest.approx([expected, expected], abs=1e-5)
    in_turns = torch.linalg.eigvals(matrix(alternating=True)).abs().square()
    assert in_turns.tolist() == pytest.approx([1 - step * gamma] * 2, abs=1e-5)
