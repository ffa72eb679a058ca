"""Both sides of every labelled equation of the page on autoregressive models, step by step."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from aigc_tutorial import ar
from aigc_tutorial.nn.attention import attend
from tests.ar.checks import randomize


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transformer(vocab_size: int, context: int) -> ar.Transformer:
    config = ar.TransformerConfig(vocab_size, context=context, n_layers=2, n_heads=2, width=8)
    return randomize(ar.Transformer(config))


def recurrent(vocab_size: int) -> ar.RecurrentModel:
    config = ar.RecurrentConfig(vocab_size, cell="rnn", embedding_dim=3, hidden_dim=5)
    return randomize(ar.RecurrentModel(config), scale=0.8)


@pytest.mark.equation("steps-ar-chain")
def test_a_joint_distribution_is_the_product_of_its_conditionals() -> None:
    """From a table of p(x1, x2, x3), conditionals by summing; their product gives it back."""
    joint = torch.rand(3, 3, 3, generator=generator(0), dtype=torch.float64)
    joint /= joint.sum()
    first = joint.sum(dim=(1, 2))
    second = joint.sum(dim=2) / first[:, None]
    third = joint / joint.sum(dim=2, keepdim=True)
    assert torch.allclose(first[:, None, None] * second[:, :, None] * third, joint)


@pytest.mark.equation("steps-ar-chain")
def test_products_of_a_network_s_conditionals_are_a_distribution() -> None:
    model, length = transformer(3, 5), 4
    total = 0.0
    with torch.no_grad():
        for sequence in itertools.product(range(3), repeat=length):
            tokens = torch.tensor([[0, *sequence]])
            probability = 1.0
            for t in range(1, length + 1):
                p = model(tokens[:, :t])[0, -1].double().softmax(-1)
                probability *= float(p[tokens[0, t]])
            total += probability
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.equation("steps-ar-nll")
def test_loss_of_a_padded_batch_token_by_token() -> None:
    model = transformer(5, 8)
    tokens = torch.randint(5, (3, 7), generator=generator(1))
    mask = torch.arange(7) < torch.tensor([[7], [4], [2]])
    total, count = 0.0, 0
    with torch.no_grad():
        for row, real in zip(tokens, mask, strict=True):
            for t in range(1, int(real.sum())):
                p = model(row[None, :t])[0, -1].softmax(-1)
                total, count = total - math.log(p[row[t]]), count + 1
        loss = model.nll(tokens, mask).sum() / mask[:, 1:].sum()
    assert count == 6 + 3 + 1
    assert loss.item() == pytest.approx(total / count, rel=1e-4)


@pytest.mark.equation("steps-ar-rnn")
@torch.no_grad()
def test_recurrence_by_hand() -> None:
    model = recurrent(6)
    tokens = torch.randint(6, (9,), generator=generator(2))
    h = torch.zeros(5)
    weight_ih, weight_hh, bias_ih, bias_hh = model.rnn.parameters()
    for t, x in enumerate(tokens):
        update = weight_ih @ model.embedding.weight[x] + bias_ih
        h = torch.tanh(update + weight_hh @ h + bias_hh)
        logits = model.output.weight @ h + model.output.bias
        assert torch.allclose(logits, model(tokens[None])[0, t], atol=1e-5)


@pytest.mark.equation("steps-ar-attention")
def test_attention_is_a_mean_over_earlier_values() -> None:
    time, d = 6, 4
    q, k, v = torch.randn(3, 1, 1, time, d, generator=generator(3))
    expected = torch.zeros(time, d)
    for t in range(time):
        weights = [math.exp(q[0, 0, t] @ k[0, 0, s] / math.sqrt(d)) for s in range(t + 1)]
        for s, weight in enumerate(weights):
            expected[t] += weight / sum(weights) * v[0, 0, s]
    assert torch.allclose(attend(q, k, v)[0, 0], expected, atol=1e-5)


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
