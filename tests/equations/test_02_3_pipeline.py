"""Both sides of every equation of page 2.3, computed."""

import math
from itertools import product

import pytest
import torch

from aigc_tutorial import ar, data, tokenizers
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.exercises.page_02_3 import powers_of_ten_lost

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
