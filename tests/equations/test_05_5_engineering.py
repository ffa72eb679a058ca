"""Equations of the page on production: batches, queues, chosen maxima, adapters, many devices."""

import heapq
import math

import numpy as np
import pytest
import torch

from aigc_tutorial import adaptation, ar, nn


@pytest.mark.equation("production-batch-rate")
@pytest.mark.parametrize(("a", "c"), [(3.0, 0.1), (1.0, 1.0), (0.2, 0.05)])
def test_tokens_are_counted_on_a_clock(a, c):
    """Steps one after the other, each of which writes a token of every sequence."""
    for b in (1, 2, 7, 32):
        now, n_tokens = 0.0, 0
        for _ in range(1_000):
            now += a + c * b
            n_tokens += b
        assert b / (a + c * b) == pytest.approx(n_tokens / now)
    assert 1e9 / (a + c * 1e9) == pytest.approx(1 / c, rel=1e-6)
    b = a / c  # the batch that takes twice its overhead writes at half of the highest rate
    assert b / (a + c * b) == pytest.approx(0.5 / c)


@pytest.mark.equation("production-little")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_area_counted_by_moments_is_that_counted_by_requests(seed):
    """Whatever the arrivals, the times and the order of leaving: no distribution is assumed."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.pareto(1.5, 500))
    departures = arrivals + rng.lognormal(1.0, 2.0, 500)
    events = sorted([(t, 1) for t in arrivals] + [(t, -1) for t in departures])
    inside, area, last = 0, 0.0, events[0][0]
    for now, change in events:
        area, inside, last = area + inside * (now - last), inside + change, now
    seconds = events[-1][0] - events[0][0]
    mean_inside = area / seconds
    rate, mean_time = 500 / seconds, float(np.mean(departures - arrivals))
    assert mean_inside == pytest.approx(rate * mean_time)


def waiting_formula(rate, times, shares):
    """Mean time of a request whose service takes ``times`` with the probabilities ``shares``."""
    mean = sum(p * t for p, t in zip(shares, times, strict=True))
    square = sum(p * t * t for p, t in zip(shares, times, strict=True))
    load, variation = rate * mean, square / mean**2 - 1
    return mean + load * mean * (1 + variation) / (2 * (1 - load))


def mean_time_by_departures(rate, times, shares, n_most=600):
    """The same from the chain of how many are left behind at a departure, and Little's law."""
    k = np.arange(n_most)
    logs = np.array([math.lgamma(i + 1) for i in k])
    arriving = sum(
        p * np.exp(k * math.log(rate * t) - rate * t - logs)
        for p, t in zip(shares, times, strict=True)
    )
    # P(0) = 1 - load, and each further one follows from balance.
    load = rate * sum(p * t for p, t in zip(shares, times, strict=True))
    left = np.zeros(n_most)
    left[0] = 1 - load
    for i in range(n_most - 1):
        flow = left[i] - left[0] * arriving[i] - left[1 : i + 1] @ arriving[i:0:-1]
        left[i + 1] = flow / arriving[0]
    assert left.sum() == pytest.approx(1, abs=1e-6)
    return float(k @ left) / rate


@pytest.mark.equation("production-waiting")
@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
@pytest.mark.parametrize(
    ("times", "shares"), [((1.0,), (1.0,)), ((0.5, 1.5), (0.5, 0.5)), ((0.5, 3.0), (0.8, 0.2))]
)
def test_the_mean_time_is_that_of_the_chain_of_departures(load, times, shares):
    rate = load / sum(p * t for p, t in zip(shares, times, strict=True))
    exact = mean_time_by_departures(rate, times, shares)
    assert waiting_formula(rate, times, shares) == pytest.approx(exact, rel=1e-4)


@pytest.mark.equation("production-waiting")
@pytest.mark.parametrize("load", [0.3, 0.9])
def test_with_exponential_times_it_is_what_a_birth_and_death_process_gives(load):
    """P(n inside) = (1 - load) load^n, whose mean is load / (1 - load)."""
    n = np.arange(2_000)
    mean_inside = float(n @ ((1 - load) * load**n))
    assert 1 + load * (1 + 1) / (2 * (1 - load)) == pytest.approx(mean_inside / load)


def expected_maximum(n):
    """Of n standard Gaussian numbers, by the integral."""
    x = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(torch.trapezoid(n * x * density * torch.special.ndtr(x) ** (n - 1), x))


@pytest.mark.equation("production-optimism")
def test_the_integral_is_the_mean_of_the_largest():
    assert expected_maximum(1) == pytest.approx(0, abs=1e-9)
    assert expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi))
    rng = torch.Generator().manual_seed(0)
    for n in (4, 64, 256):
        drawn = torch.randn(20_000, n, generator=rng).amax(1).mean()
        assert expected_maximum(n) == pytest.approx(float(drawn), abs=0.02)


@pytest.mark.equation("production-optimism")
@pytest.mark.parametrize(("accuracy", "m"), [(0.5, 100), (0.85, 100), (0.85, 1_000)])
def test_the_best_of_many_equals_is_as_much_too_good(accuracy, m):
    """Against the exact expectation, by the binomial distribution, in units of one test's error."""
    k = np.arange(m + 1)
    choose = np.array([math.lgamma(m + 1) - math.lgamma(i + 1) - math.lgamma(m - i + 1) for i in k])
    logs = choose + k * math.log(accuracy) + (m - k) * math.log1p(-accuracy)
    below = np.cumsum(np.exp(logs)).clip(0, 1)
    sigma = math.sqrt(accuracy * (1 - accuracy) / m)
    for n in (1, 4, 16, 256):
        exact = float(np.sum(1 - below[:-1] ** n)) / m - accuracy
        assert sigma * expected_maximum(n) == pytest.approx(exact, abs=0.3 * sigma)


@pytest.mark.equation("production-lora")
@pytest.mark.parametrize(("rank", "alpha"), [(1, 1.0), (3, 6.0)])
def test_a_layer_and_its_correction(rank, alpha):
    rng = torch.Generator().manual_seed(0)
    base = torch.nn.Linear(5, 4, bias=False).double()
    layer = adaptation.LoRALinear(base, rank, alpha, rng=rng)
    x = torch.randn(7, 5, generator=rng, dtype=torch.float64)
    w = base.weight.detach()
    assert torch.equal(layer(x), base(x)), "B is zero at the beginning"
    with torch.no_grad():
        layer.B.copy_(torch.randn(4, rank, generator=rng, dtype=torch.float64))
    expected = torch.stack([w @ row + alpha / rank * (layer.B @ (layer.A @ row)) for row in x])
    torch.testing.assert_close(layer(x), expected)
    change = layer.weight.detach() - w
    assert int(torch.linalg.matrix_rank(change)) == rank


@pytest.mark.equation("production-lora-size")
@pytest.mark.parametrize("rank", [1, 4])
def test_parameters_of_the_factors_are_counted(rank):
    config = ar.TransformerConfig(vocab_size=11, context=8, n_layers=2, n_heads=2, width=8)
    model = ar.Transformer(config)
    shapes = {
        name: part.weight.shape
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear)
    }
    names = adaptation.add_lora(model, rank=rank, rng=torch.Generator().manual_seed(0))
    assert nn.count_parameters(model) == sum(rank * sum(shapes[name]) for name in names)


@pytest.mark.equation("production-amdahl")
@pytest.mark.parametrize("n", [1, 2, 8, 50])
@pytest.mark.parametrize("p", [0.0, 0.9, 1.0])
def test_pieces_of_work_are_given_to_whoever_is_free(n, p):
    """Of 1,000 pieces the serial ones go first, one after the other; the others are shared."""
    n_pieces = 1_000
    n_serial = round((1 - p) * n_pieces)
    free = [float(n_serial)] * n
    for _ in range(n_pieces - n_serial):
        heapq.heapreplace(free, free[0] + 1)
    assert n_pieces / max(free) == pytest.approx(1 / ((1 - p) + p / n), rel=0.02)


@pytest.mark.equation("production-all-reduce")
@pytest.mark.parametrize("n", [2, 3, 8])
def test_a_ring_sums_up_and_sends_so_much(n):
    """Each process sends a piece to the next, 2 (n - 1) times; in the end all have all sums."""
    size = 24 * n
    rng = np.random.default_rng(n)
    own = rng.normal(size=(n, n, size // n))  # process, piece
    total, sent = own.sum(0), np.zeros(n)
    for step in range(n - 1):  # sums are collected
        messages = [((i + 1) % n, (i - step) % n, own[i, (i - step) % n].copy()) for i in range(n)]
        for i, (to, piece, numbers) in enumerate(messages):
            own[to, piece] += numbers
            sent[i] += len(numbers)
    for step in range(n - 1):  # and handed round
        messages = [
            ((i + 1) % n, (i + 1 - step) % n, own[i, (i + 1 - step) % n].copy()) for i in range(n)
        ]
        for i, (to, piece, numbers) in enumerate(messages):
            own[to, piece] = numbers
            sent[i] += len(numbers)
    assert np.allclose(own, total)
    assert np.all(sent == 2 * (n - 1) / n * size)
