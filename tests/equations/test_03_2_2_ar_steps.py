"""Both sides of every labelled equation of the page on autoregressive models, step by step."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from aigc_tutorial import ar
from aigc_tutorial.ar.generation.speculative import count_accepted, residual
from aigc_tutorial.nn.position import RotaryPositions, rotate
from tests.ar.checks import randomize


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transformer(vocab_size: int, context: int) -> ar.Transformer:
    config = ar.TransformerConfig(vocab_size, context=context, n_layers=2, n_heads=2, width=8)
    return randomize(ar.Transformer(config))


@pytest.mark.equation("steps-ar-p")
def test_least_squares_are_the_most_likely_coefficients() -> None:
    """The gradient of the Gaussian likelihood vanishes there, and they are near the true ones."""
    c, phi, sigma = 0.5, (1.6, -0.8), 0.7
    noise = sigma * torch.randn(4_000, generator=generator(0), dtype=torch.float64)
    values = [0.0, 0.0]
    for epsilon in noise.tolist():
        values.append(c + phi[0] * values[-1] + phi[1] * values[-2] + epsilon)
    x = torch.tensor(values, dtype=torch.float64)
    past = torch.stack([torch.ones_like(x[2:]), x[1:-1], x[:-2]], dim=1)
    found = torch.linalg.lstsq(past, x[2:, None]).solution[:, 0].requires_grad_()
    likelihood = torch.distributions.Normal(past @ found, sigma).log_prob(x[2:]).mean()
    (gradient,) = torch.autograd.grad(likelihood, found)
    assert gradient.abs().max() < 1e-9
    assert found.tolist() == pytest.approx([c, *phi], abs=0.05)


@pytest.mark.equation("steps-ar-gru")
@torch.no_grad()
def test_gated_recurrence_by_hand() -> None:
    config = ar.RecurrentConfig(6, cell="gru", embedding_dim=3, hidden_dim=5)
    model = randomize(ar.RecurrentModel(config), scale=0.8)
    weight_ih, weight_hh, bias_ih, bias_hh = model.rnn.parameters()
    w_r, w_z, w_n = weight_ih.chunk(3)
    u_r, u_z, u_n = weight_hh.chunk(3)
    b_r, b_z, _ = (bias_ih + bias_hh).chunk(3)
    tokens, h = torch.randint(6, (9,), generator=generator(2)), torch.zeros(5)
    for t, x in enumerate(tokens):
        e = model.embedding.weight[x]
        r = (w_r @ e + u_r @ h + b_r).sigmoid()
        z = (w_z @ e + u_z @ h + b_z).sigmoid()
        n = (w_n @ e + bias_ih[10:] + r * (u_n @ h + bias_hh[10:])).tanh()
        h = (1 - z) * n + z * h
        assert torch.allclose(model.output(h), model(tokens[None])[0, t], atol=1e-5)


def root_mean_square_1(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-6)


def turned(x: Tensor, t: int) -> Tensor:
    """R_t x of one vector, pair by pair."""
    half, out = len(x) // 2, torch.empty_like(x)
    for i in range(half):
        angle = t * 1000 ** (-2 * i / len(x))
        point = complex(x[i], x[i + half]) * complex(math.cos(angle), math.sin(angle))
        out[i], out[i + half] = point.real, point.imag
    return out


def attended(model: ar.Transformer, u: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs (T, D) and weights (N, T, T) of the first block's attention, number by number."""
    attention: Any = model.blocks[0].attention
    time, width = u.shape
    n_heads, d = model.config.n_heads, width // model.config.n_heads
    w_q, w_k, w_v = attention.query_key_value.weight.chunk(3)
    outputs, alphas = torch.zeros(time, width), torch.zeros(n_heads, time, time)
    for head in range(n_heads):
        part = slice(head * d, (head + 1) * d)
        q = [turned(root_mean_square_1(w_q[part] @ u[t]), t) for t in range(time)]
        k = [turned(root_mean_square_1(w_k[part] @ u[t]), t) for t in range(time)]
        for t in range(time):
            weights = [math.exp(q[t] @ k[s] / math.sqrt(d)) for s in range(t + 1)]
            for s, weight in enumerate(weights):
                alphas[head, t, s] = weight / sum(weights)
                outputs[t, part] += alphas[head, t, s] * (w_v[part] @ u[s])
    return outputs @ attention.output.weight.T, alphas


@pytest.mark.equation("steps-ar-attention")
@torch.no_grad()
def test_attention_of_the_model_token_by_token() -> None:
    """Of the model and not of a function beside it: rotated, normalised, several heads, masked."""
    model = transformer(5, 7)
    u = root_mean_square_1(torch.randn(7, 8, generator=generator(3)))
    attention: Any = model.blocks[0].attention
    found = attention(u[None], None, model.rotary(0, 7))[0]
    maps = attention.maps(u[None], None, model.rotary(0, 7))[0]
    outputs, alphas = attended(model, u)
    assert torch.allclose(found, outputs, atol=1e-5)
    assert torch.allclose(maps, alphas, atol=1e-5)
    assert torch.allclose(maps.sum(-1), torch.ones(2, 7))


@pytest.mark.equation("steps-ar-rotary")
@pytest.mark.parametrize(("t", "s"), [(0, 0), (3, 1), (1, 6), (11, 4)])
def test_products_of_rotated_vectors_depend_on_the_distance_alone(t: int, s: int) -> None:
    q, k = torch.randn(2, 8, generator=generator(10), dtype=torch.float64)
    left = turned(q, t) @ turned(k, s)
    assert left.item() == pytest.approx((q @ turned(k, s - t)).item(), rel=1e-9)
    assert left.item() == pytest.approx((turned(q, t + 5) @ turned(k, s + 5)).item(), rel=1e-9)
    assert turned(q, t).norm().item() == pytest.approx(q.norm().item())
    cos, sin = (table.double() for table in RotaryPositions(8, 12, 1000.0)(0, 12))
    for x, place in ((q, t), (k, s)):
        row = rotate(x[None], (cos[place : place + 1], sin[place : place + 1]))[0]
        assert torch.allclose(row, turned(x, place), atol=1e-6)


@pytest.mark.equation("steps-ar-block")
@torch.no_grad()
def test_logits_of_a_block_by_hand() -> None:
    config = ar.TransformerConfig(5, 7, n_layers=1, n_heads=2, width=8, token_shift=0)
    model: Any = randomize(ar.Transformer(config))
    tokens = torch.randint(5, (7,), generator=generator(11))
    u, block = root_mean_square_1(model.embedding.weight[tokens]), model.blocks[0]
    u = u + attended(model, root_mean_square_1(u))[0]
    u = u + (root_mean_square_1(u) @ block.up.weight.T).clamp(min=0) ** 2 @ block.down.weight.T
    a = root_mean_square_1(u) @ model.head.weight.T
    assert torch.allclose(model(tokens[None])[0], 15 * torch.tanh(a / 15), atol=1e-5)


@pytest.mark.equation("steps-ar-speculative")
@pytest.mark.parametrize("seed", range(5))
def test_accepted_and_replaced_together_have_the_target_s_distribution(seed: int) -> None:
    p, q = (2 * torch.randn(2, 6, generator=generator(seed), dtype=torch.float64)).softmax(-1)
    accepted = q * (p / q).clamp(max=1)
    assert torch.allclose(accepted + (p - q).clamp(min=0), p)
    rejected = 1 - accepted.sum()
    assert rejected.item() == pytest.approx((p - q).clamp(min=0).sum().item())
    assert torch.allclose(accepted + rejected * residual(p, q), p)


@pytest.mark.equation("steps-ar-speculative")
def test_guesses_are_accepted_as_often_as_the_equation_says() -> None:
    p, q = (2 * torch.randn(2, 4, generator=generator(1))).softmax(-1)
    rng, n = generator(2), 4_000
    guesses = q.multinomial(n, replacement=True, generator=rng)
    accepted = sum(count_accepted(guess[None], p[None], q[None], rng=rng) for guess in guesses)
    rate = torch.minimum(p, q).sum().item()
    assert accepted / n == pytest.approx(rate, abs=4.5 * math.sqrt(rate * (1 - rate) / n))


@pytest.mark.equation("steps-ar-temperature")
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_temperature_as_a_power_of_the_probabilities(temperature: float) -> None:
    logits = 2 * torch.randn(7, generator=generator(4), dtype=torch.float64)
    exponentials = [math.exp(a / temperature) for a in logits]
    first = torch.tensor(exponentials, dtype=torch.float64) / sum(exponentials)
    powers = logits.softmax(-1) ** (1 / temperature)
    found = ar.sampling.apply_temperature(logits, temperature).softmax(-1)
    assert torch.allclose(found, first)
    assert torch.allclose(found, powers / powers.sum())


@pytest.mark.equation("steps-ar-temperature")
def test_temperature_at_its_ends() -> None:
    logits = torch.tensor([0.1, 2.0, 1.9])
    cold, hot = (ar.sampling.apply_temperature(logits, t).softmax(-1) for t in (1e-3, 1e4))
    assert torch.allclose(cold, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)
    assert torch.allclose(hot, torch.full((3,), 1 / 3), atol=1e-3)


def kept(logits: Tensor) -> list[int]:
    return [i for i, logit in enumerate(logits.tolist()) if logit > -math.inf]


@pytest.mark.equation("steps-ar-filter")
@pytest.mark.parametrize(
    "config",
    [ar.SamplingConfig(top_k=3), ar.SamplingConfig(top_p=0.7), ar.SamplingConfig(min_p=0.2)],
)
def test_what_is_left_keeps_its_proportions(config: ar.SamplingConfig) -> None:
    logits = 2 * torch.randn(9, generator=generator(5))
    p, filtered = logits.softmax(-1), ar.sampling.process(logits, config)
    chosen = kept(filtered)
    assert 0 < len(chosen) < 9
    total = sum(float(p[k]) for k in chosen)
    expected = [float(p[k]) / total if k in chosen else 0.0 for k in range(9)]
    assert filtered.softmax(-1).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.equation("steps-ar-nucleus")
@pytest.mark.parametrize("p", [0.2, 0.5, 0.8, 0.95])
def test_no_smaller_set_has_the_probability_of_the_nucleus(p: float) -> None:
    logits = 1.5 * torch.randn(7, generator=generator(6), dtype=torch.float64)
    probabilities = logits.softmax(-1).tolist()
    size = next(
        n
        for n in range(1, 8)
        if any(sum(subset) >= p for subset in itertools.combinations(probabilities, n))
    )
    nucleus = kept(ar.sampling.keep_top_p(logits, p))
    assert len(nucleus) == size
    assert sum(probabilities[k] for k in nucleus) >= p


@pytest.mark.equation("steps-ar-min-p")
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_min_p_token_by_token(share: float) -> None:
    logits = 2 * torch.randn(8, generator=generator(7))
    p = logits.softmax(-1).tolist()
    expected = [k for k in range(8) if p[k] >= share * max(p)]
    assert kept(ar.sampling.keep_min_p(logits, share)) == expected


@pytest.mark.equation("steps-ar-influence")
def test_influence_by_finite_differences() -> None:
    """Every embedding is moved by itself, in double precision, and the logits are watched."""
    model = transformer(5, 4).double()
    tokens = torch.tensor([[0, 1, 2, 3]])  # all different: a row of the embedding is one token
    found = ar.influence(model, tokens, seed=3)
    w = torch.randn(5, generator=generator(3)).double()
    expected, step = torch.zeros(4, 4, dtype=torch.float64), 1e-5
    with torch.no_grad():
        for s in range(4):
            for d in range(8):
                scores = []
                for sign in (1, -1):
                    model.embedding.weight[s, d] += sign * step
                    scores.append(model(tokens)[0] @ w)
                    model.embedding.weight[s, d] -= sign * step
                slope = ((scores[0] - scores[1]) / (2 * step)).abs()
                expected[:, s] = torch.maximum(expected[:, s], slope)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert found.triu(1).max() == 0
    assert found.diagonal().min() > 0


@pytest.mark.equation("steps-ar-influence")
def test_a_missing_mask_is_caught() -> None:
    class Leaky(ar.Transformer):
        def attention_mask(self, n_queries, n_keys, segments=None):  # type: ignore[no-untyped-def]
            return torch.ones(n_queries, n_keys, dtype=torch.bool)

    model = randomize(Leaky(ar.TransformerConfig(5, context=6, n_layers=1, n_heads=2, width=8)))
    tokens = torch.randint(5, (1, 6), generator=generator(8))
    assert ar.influence(model, tokens).triu(1)[:-1, 1:].max() > 1e-3


@pytest.mark.equation("steps-ar-compounding")
def test_errors_that_stay_by_simulation() -> None:
    epsilon, n, n_runs = 0.07, 12, 200_000
    slips = torch.rand(n_runs, n, generator=generator(9)) < epsilon
    wrong = slips.cummax(dim=1).values.double()
    k = torch.arange(1, n + 1, dtype=torch.float64)
    expected = 1 - (1 - epsilon) ** k
    error = (expected * (1 - expected) / n_runs).sqrt()
    assert ((wrong.mean(dim=0) - expected).abs() < 4.5 * error).all()
    small = 1 - (1 - 1e-6) ** k
    assert torch.allclose(small, 1e-6 * k, rtol=1e-4)
