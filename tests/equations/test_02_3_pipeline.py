"""Both sides of every equation of page 2.3, computed."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from aigc_tutorial import ar, data, tokenizers
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.exercises.page_02_3 import best_policy_probabilities, powers_of_ten_lost
from aigc_tutorial.gan.losses import relativistic_discriminator_loss

TEXT = "Monday night: light rain. " * 4


@pytest.fixture(scope="module")
def tokenizer() -> tokenizers.BPETokenizer:
    return tokenizers.BPETokenizer.train([TEXT], 270)


def model(seed: int, vocab_size: int) -> ar.WindowModel:
    torch.manual_seed(seed)
    return ar.WindowModel(ar.WindowConfig(vocab_size, window=3, embedding_dim=4, hidden_dim=8))


@pytest.mark.equation("pipeline-bits")
def test_bits_per_character_from_nats_per_token(tokenizer):
    network = model(0, tokenizer.vocab_size)
    tokens = tokenizer.encode(TEXT)
    n_predicted = len(tokens) - 1
    with torch.no_grad():
        probabilities = network(tokens[None, :-1]).softmax(dim=-1)[0]
    chosen = probabilities[torch.arange(n_predicted), tokens[1:]].double()
    left = -chosen.log2().sum().item() / len(TEXT)
    nats_per_token = -chosen.log().mean().item()
    right = n_predicted / len(TEXT) * nats_per_token / math.log(2)
    assert left == pytest.approx(right, rel=1e-9)
    report = text_likelihood(network, tokens, context=len(tokens))
    assert report.bits_per(len(TEXT)) == pytest.approx(left, rel=1e-5)


@pytest.mark.equation("pipeline-entropy")
def test_entropy_of_a_bulletin_is_that_of_its_choices():
    sizes = (7, 4, 6, 31, 3, 4, 5)
    left = sum(math.log2(size) for size in sizes)
    assert left == pytest.approx(math.log2(math.prod(sizes)), rel=1e-12)
    assert left == pytest.approx(18.25, abs=0.005)
    assert data.BULLETIN_ENTROPY / math.log(2) == pytest.approx(left, rel=1e-12)


def test_bulletins_repeat_as_often_as_so_many_equal_chances_say():
    lines = data.weather_bulletins(2_000, rng=torch.Generator().manual_seed(0)).splitlines()
    pairs = 2_000 * 1_999 / 2
    expected = pairs / math.exp(data.BULLETIN_ENTROPY)
    repeated = len(lines) - len(set(lines))
    assert abs(repeated - expected) < 5 * math.sqrt(expected)


@pytest.mark.equation("pipeline-forgetting")
def test_a_ratio_of_probabilities_from_a_difference_of_bits(tokenizer):
    tokens = tokenizer.encode(TEXT[:40])
    before, after = (model(seed, tokenizer.vocab_size) for seed in (1, 2))
    log_p = [-network.nll(tokens[None]).double().sum().item() for network in (before, after)]
    bits = [
        text_likelihood(network, tokens, context=len(tokens)).bits_per(40)
        for network in (before, after)
    ]
    ratio = math.exp(log_p[1] - log_p[0])
    assert ratio == pytest.approx(2 ** (-40 * (bits[1] - bits[0])), rel=1e-3)
    assert powers_of_ten_lost(*bits, 40) == pytest.approx(-math.log10(ratio), rel=1e-3)


@pytest.mark.parametrize(("n_steps", "share"), product((1, 7, 100), (0.0, 0.3, 0.5, 1.0)))
def test_the_schedule_keeps_its_share_at_every_step(n_steps, share):
    from aigc_tutorial.exercises.page_02_3 import replay_schedule

    schedule = replay_schedule(n_steps, share)
    for n in range(n_steps + 1):
        assert sum(schedule[:n]) == math.floor(n * share)


def policies(seed: int, n: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithms of two distributions, and a reward."""
    rng = torch.Generator().manual_seed(seed)
    base, other, reward = 2 * torch.randn(3, n, generator=rng, dtype=torch.float64)
    return base.log_softmax(0), other.log_softmax(0), reward


@pytest.mark.equation("pipeline-score-function")
@pytest.mark.parametrize("baseline", [0.0, 3.7])
def test_the_mean_of_scores_times_values_is_the_gradient(baseline):
    logits, _, values = policies(0)
    logits = logits.clone().requires_grad_(True)
    (left,) = torch.autograd.grad(logits.softmax(0) @ values, logits)
    right = torch.zeros(5, dtype=torch.float64)
    for k in range(5):
        (score,) = torch.autograd.grad(logits.log_softmax(0)[k], logits)
        right += logits.detach().softmax(0)[k] * (values[k] - baseline) * score
    torch.testing.assert_close(left, right)


@pytest.mark.equation("pipeline-gumbel")
def test_the_maximum_with_gumbel_noise_is_a_draw():
    """P(token k wins) by integration over its own noise: the others stay below it."""
    logits, *_ = policies(1)
    g = torch.linspace(-20, 40, 400_001, dtype=torch.float64)
    density = (-g - (-g).exp()).exp() * (g[1] - g[0])
    for k in range(5):
        below = torch.ones_like(g)
        for j in range(5):
            if j != k:
                below *= (-(-(g + logits[k] - logits[j])).exp()).exp()
        assert (density * below).sum().item() == pytest.approx(logits[k].exp().item(), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_a_cold_gumbel_softmax_is_nearly_the_draw(temperature):
    logits, *_ = policies(2)
    uniform = torch.rand(5_000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy = logits - (-uniform.log()).log()
    hard = torch.nn.functional.one_hot(noisy.argmax(1), 5)
    soft = (noisy / temperature).softmax(1)
    distance = (soft - hard).abs().sum(1).mean().item()
    assert distance < 0.05 if temperature == 0.01 else distance > 0.3


def objective(log_policy: Tensor, log_base: Tensor, reward: Tensor, beta: float) -> float:
    policy = log_policy.exp()
    return float(policy @ reward - beta * policy @ (log_policy - log_base))


@pytest.mark.equation("pipeline-kl-policy")
@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
def test_the_objective_is_the_divergence_from_the_best_policy(beta):
    base, policy, reward = policies(3)
    z = (base.exp() * (reward / beta).exp()).sum()
    best = base + reward / beta - z.log()
    divergence = policy.exp() @ (policy - best)
    right = beta * z.log() - beta * divergence
    assert objective(policy, base, reward, beta) == pytest.approx(right.item(), rel=1e-9)
    assert objective(best, base, reward, beta) == pytest.approx((beta * z.log()).item(), rel=1e-9)
    torch.testing.assert_close(best_policy_probabilities(base, reward, beta), best.exp())


@pytest.mark.equation("pipeline-dpo")
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_direct_loss_is_the_reward_models_and_least_at_the_best_policy(beta):
    base, policy, reward = policies(4)
    implied = beta * (policy - base)
    by_formula = -(implied[0] - implied[1]).sigmoid().log()
    torch.testing.assert_close(
        by_formula, relativistic_discriminator_loss(implied[:1], implied[1:2])
    )
    prefers = (reward[:, None] - reward).sigmoid()

    def loss(log_policy: Tensor) -> Tensor:
        rewards = beta * (log_policy.log_softmax(0) - base)
        return (prefers * softplus(rewards - rewards[:, None])).sum()

    best = (base + reward / beta).log_softmax(0).requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(best), best)
    assert gradient.abs().max() < 1e-12
    assert loss(policy) > loss(best) + 1e-3
