"""From logits to a token: every filter equals Hugging Face's, and draws have the distribution."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from aigc_tutorial.ar.generation.sampling import (
    SamplingConfig,
    apply_temperature,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
    process,
    sample,
)

INF = math.inf
NO_TOKENS: Any = None  # Filters that look at no tokens take anything.


def random_logits(kind, *, rows=4, vocab_size=50, seed=0):
    """Logits as models have them, with ties, with impossible tokens, or nearly certain."""
    logits = 3 * torch.randn(rows, vocab_size, generator=torch.Generator().manual_seed(seed))
    if kind == "ties":
        return logits.round()
    if kind == "impossible":
        return logits.masked_fill(logits < 0, -INF)
    return 20 * logits if kind == "peaked" else logits


KINDS = ["usual", "ties", "impossible", "peaked"]


def assert_equal(ours, theirs):
    assert torch.equal(ours, theirs)
    assert not ours.isnan().any()


def assert_same_distribution(ours, theirs):
    """Logits may differ by what softmax does not see: a number added to all of a row."""
    assert torch.equal(ours == -INF, theirs == -INF)
    torch.testing.assert_close(ours.softmax(-1), theirs.softmax(-1))
    assert (ours.amax(-1) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 2.5])
def test_temperature_equals_the_librarys(kind, temperature):
    logits = random_logits(kind)
    theirs = TemperatureLogitsWarper(temperature)(NO_TOKENS, logits.clone())
    assert_same_distribution(apply_temperature(logits, temperature), theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 7, 50, 1000])
def test_top_k_equals_the_librarys(kind, k):
    logits = random_logits(kind)
    assert_equal(keep_top_k(logits, k), TopKLogitsWarper(k)(NO_TOKENS, logits.clone()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0.01, 0.3, 0.9, 0.999])
def test_top_p_equals_the_librarys(kind, p):
    logits = random_logits(kind)
    ours, theirs = keep_top_p(logits, p), TopPLogitsWarper(p)(NO_TOKENS, logits.clone())
    if kind == "ties":  # Which of the equals are kept is left open by the library's sorting.
        ours, theirs = ours.sort().values, theirs.sort().values
    assert_equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_min_p_equals_the_librarys(kind, share):
    logits = random_logits(kind)
    assert_equal(keep_min_p(logits, share), MinPLogitsWarper(share)(NO_TOKENS, logits.clone()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.2, 3.0])
def test_repetition_penalty_equals_the_librarys(kind, penalty):
    logits = random_logits(kind)
    tokens = torch.randint(50, (4, 30), generator=torch.Generator().manual_seed(1))
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(tokens, logits.clone())
    assert_equal(penalise_repetition(logits, tokens, penalty), theirs)


def test_everything_together_in_the_librarys_order():
    logits = random_logits("usual", vocab_size=200)
    tokens = torch.randint(200, (4, 30), generator=torch.Generator().manual_seed(1))
    config = SamplingConfig(0.8, top_k=30, top_p=0.9, min_p=0.05, repetition_penalty=1.3)
    theirs: Any = logits.clone()
    processors: list[Any] = [
        RepetitionPenaltyLogitsProcessor(1.3),
        TemperatureLogitsWarper(0.8),
        TopKLogitsWarper(30),
        TopPLogitsWarper(0.9),
        MinPLogitsWarper(0.05),
    ]
    for processor in processors:
        theirs = processor(tokens, theirs)
    assert_same_distribution(process(logits, config, tokens), theirs)


FILTERS = {
    "temperature": lambda logits: apply_temperature(logits, 0.5),
    "greedy": lambda logits: apply_temperature(logits, 0),
    "top-k": lambda logits: keep_top_k(logits, 3),
    "top-p": lambda logits: keep_top_p(logits, 0.8),
    "min-p": lambda logits: keep_min_p(logits, 0.2),
    "repetition": lambda logits: penalise_repetition(
        logits, torch.zeros(*logits.shape[:-1], 1, dtype=torch.int64), 2.0
    ),
    "nothing": lambda logits: process(logits, SamplingConfig()),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_filters_are_pure_and_treat_rows_by_themselves(name, kind):
    logits = random_logits(kind)
    before = logits.clone()
    filtered = FILTERS[name](logits)
    assert torch.equal(logits, before)
    for row, filtered_row in zip(logits, filtered, strict=True):
        assert torch.equal(FILTERS[name](row), filtered_row)
    stacked = FILTERS[name](logits.view(2, 2, -1))
    assert torch.equal(stacked, filtered.view(2, 2, -1))


@pytest.mark.parametrize("name", ["top-k", "top-p", "min-p"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_keeps_its_proportions_and_the_best_stays(name, kind):
    logits = random_logits(kind)
    filtered = FILTERS[name](logits)
    kept = filtered > -INF
    assert torch.equal(filtered[kept], logits[kept])
    assert kept.gather(1, logits.argmax(1, keepdim=True)).all()
    assert not kept[logits == -INF].any()
    assert kept.sum() < (logits > -INF).sum()
    p, q = logits.softmax(1), filtered.softmax(1)
    conditional = torch.where(kept, p, 0) / torch.where(kept, p, 0).sum(1, keepdim=True)
    torch.testing.assert_close(q, conditional)
    assert torch.equal(q[~kept], torch.zeros_like(q[~kept]))


def test_a_nucleus_of_probability_1_is_everything():
    logits = torch.linspace(-60, 60, 65)  # in float32 the least probable add up to 0
    assert torch.equal(keep_top_p(logits, 1.0), logits)
    assert (keep_top_p(logits, 0.999) == -torch.inf).any()


def test_the_nucleus_by_hand():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for p, n_kept in ((0.4, 1), (0.6, 2), (0.79, 2), (0.9, 3), (0.97, 4), (1.0, 4)):
        assert (keep_top_p(logits, p) > -INF).tolist() == [True] * n_kept + [False] * (4 - n_kept)


def test_equals_at_the_border():
    logits = torch.tensor([2.0, 1.0, 1.0, 0.0])
    assert (keep_top_k(logits, 2) > -INF).tolist() == [True, True, True, False]
    even = torch.zeros(4)
    assert (keep_top_p(even, 0.5) > -INF).tolist() == [False, False, True, True]
    assert (keep_min_p(even, 1.0) > -INF).all()
    assert apply_temperature(even, 0).tolist() == [0, -INF, -INF, -INF]
    assert sample(even, SamplingConfig(temperature=0)) == 0


def test_temperature_zero_is_the_limit_of_small_ones():
    logits = random_logits("usual")
    nearly = apply_temperature(logits, 1e-4).softmax(1)
    torch.testing.assert_close(apply_temperature(logits, 0).softmax(1), nearly)


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(temperature=0),
        SamplingConfig(top_k=1),
        SamplingConfig(top_p=1e-6),
        SamplingConfig(min_p=1.0),
        SamplingConfig(temperature=0, top_k=5, top_p=0.5, min_p=0.3),
    ],
)
def test_the_ways_to_be_greedy_agree(config):
    logits = random_logits("usual", rows=30)
    assert torch.equal(sample(logits, config), logits.argmax(1))


def test_the_penalty_is_applied_before_a_greedy_choice():
    logits = torch.tensor([[3.0, 2.0, -1.0], [-1.0, -1.5, -9.0]])
    config = SamplingConfig(temperature=0, repetition_penalty=2.0)
    assert sample(logits, config, tokens=torch.tensor([[2], [2]])).tolist() == [0, 0]
    assert sample(logits, config, tokens=torch.tensor([[0], [0]])).tolist() == [1, 1]
    once = penalise_repetition(logits, torch.tensor([[0], [0]]), 2.0)
    assert torch.equal(once, penalise_repetition(logits, torch.tensor([[0, 0], [0, 0]]), 2.0))


def test_a_penalty_needs_the_tokens():
    with pytest.raises(ValueError, match="pass tokens, all of them so far"):
        sample(torch.zeros(1, 3), SamplingConfig(repetition_penalty=1.1))


def chi_squared(tokens, probabilities):
    """Pearson's statistic of counts against expectations, over tokens that are possible."""
    counts = torch.bincount(tokens, minlength=len(probabilities)).double()
    assert counts[probabilities == 0].sum() == 0
    expected = len(tokens) * probabilities[probabilities > 0].double()
    return ((counts[probabilities > 0] - expected).square() / expected).sum().item()


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(),
        SamplingConfig(temperature=0.5),
        SamplingConfig(top_k=3),
        SamplingConfig(top_p=0.7),
        SamplingConfig(temperature=2.0, min_p=0.3),
    ],
)
def test_tokens_have_the_distribution_that_process_describes(config):
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -INF, 1.5])
    tokens = sample(logits.expand(40_000, -1), config, rng=torch.Generator().manual_seed(0))
    # 99.9 % quantile of chi-squared with 6 degrees of freedom, the most there are here.
    assert chi_squared(tokens, process(logits, config).softmax(0)) < 22.46


def test_a_wrong_distribution_would_be_noticed():
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0])
    tokens = sample(logits.expand(40_000, -1), rng=torch.Generator().manual_seed(0))
    assert chi_squared(tokens, (logits / 1.1).softmax(0)) > 100


def test_the_same_seed_gives_the_same_tokens_and_another_one_does_not():
    logits = random_logits("usual", rows=100)
    first, again, other = (
        sample(logits, rng=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(5)
    unseeded = sample(logits)
    torch.manual_seed(5)
    assert torch.equal(unseeded, sample(logits))


def test_the_impossible_is_not_drawn_even_if_it_arrives_at_time_zero(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, **_: self.zero_())
    assert draw(torch.tensor([0.0, 0.2, 0.5, 0.3])) == 2


@given(st.integers(0, 2**31), st.integers(1, 12))
def test_what_is_drawn_was_possible(seed, k):
    logits = random_logits("impossible", seed=seed)
    config = SamplingConfig(top_k=k, top_p=0.9)
    tokens = sample(logits, config, rng=torch.Generator().manual_seed(seed))
    assert (process(logits, config).gather(1, tokens[:, None]) > -INF).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -0.1}, "temperature must be a finite number, 0 .* or above, got -0.1"),
        ({"temperature": INF}, "temperature must be a finite number"),
        ({"temperature": math.nan}, "temperature must be a finite number"),
        ({"top_k": 0}, "top_k must be at least 1, or None to keep all tokens, got 0"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p must be above 0 and at most 1"),
        ({"min_p": 0.0}, "min_p must be above 0 and at most 1"),
        ({"min_p": math.nan}, "min_p must be a finite number"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        SamplingConfig(**setting)


@pytest.mark.parametrize(
    "call",
    [
        lambda logits: apply_temperature(logits, -1),
        lambda logits: keep_top_k(logits, 0),
        lambda logits: keep_top_p(logits, 0),
        lambda logits: keep_min_p(logits, 2),
        lambda logits: penalise_repetition(logits, torch.tensor([0]), 0),
    ],
)
def test_the_functions_refuse_the_same(call):
    with pytest.raises(ValueError, match="must be"):
        call(torch.zeros(3))
