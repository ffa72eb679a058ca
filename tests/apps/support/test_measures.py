"""Bounds, calibration and scores of unknown messages, held to other people's formulas."""

import functools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score

from aigc_tutorial.apps import support


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# --- the bound and the promise ------------------------------------------------------------------


@given(data=st.data())
def test_the_bound_is_the_quantile_of_a_beta_distribution(data):
    n = data.draw(st.integers(1, 900))
    k = data.draw(st.integers(0, n - 1))
    delta = data.draw(st.floats(1e-4, 0.5))
    expected = stats.beta.ppf(1 - delta, k + 1, n - k)
    assert support.risk_bound(k, n, delta) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_bound_at_its_ends():
    assert support.risk_bound(0, 0, 0.1) == support.risk_bound(5, 5, 0.1) == 1
    assert support.risk_bound(0, 58, 0.05) > 0.05 > support.risk_bound(0, 59, 0.05)
    assert support.n_needed(0.05, 0.05) == 59


@pytest.mark.parametrize(("k", "n", "delta"), [(3, 2, 0.1), (0, 2, 0.0), (0, 2, 1.0), (-1, 2, 0.1)])
def test_what_is_no_count_or_probability_is_refused(k, n, delta):
    with pytest.raises(ValueError, match=r"errors|delta"):
        support.risk_bound(k, n, delta)


def test_how_many_are_needed_is_the_least_number_that_the_bound_accepts():
    for risk, delta in ((0.05, 0.05), (0.5, 0.125), (0.1, 0.9**7), (0.2, 0.8**3), (0.9, 0.5)):
        n = support.n_needed(risk, delta)
        assert (1 - risk) ** n <= delta * (1 + 1e-9)
        assert n == 1 or (1 - risk) ** (n - 1) > delta * (1 + 1e-9)
    for risk, delta in ((0.0, 0.1), (1.0, 0.1), (0.1, 0.0), (float("nan"), 0.1)):
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            support.n_needed(risk, delta)


@pytest.mark.parametrize("measure", [support.coverage_curve, support.reliability, "promise"])
def test_confidences_are_probabilities_of_messages_that_are_there(measure):
    if measure == "promise":
        measure = functools.partial(support.promise, risk=0.2)
    right = torch.tensor([True, True])
    measure(torch.tensor([0.2, 1.0]), right)
    for confidence, words in (
        (torch.tensor([0.2, torch.nan]), "not a number"),
        (torch.tensor([20.0, 90.0]), "divide per cent"),
        (torch.tensor([-0.1, 0.2]), "between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=words):
            measure(confidence, right)
    with pytest.raises(ValueError, match="hold a number or more"):
        measure(torch.zeros(0), right[:0])
    with pytest.raises(Exception, match=r"one for each of 2|violates type hint"):
        measure(torch.tensor([0.2, 0.4]), right[:1])


def test_a_promise_needs_a_risk_and_thresholds():
    messages = torch.tensor([0.9, 0.8]), torch.tensor([True, True])
    wrong: list[dict[str, Any]] = [{"risk": 0.0}, {"risk": 0.2, "delta": 1.0}]
    for settings in wrong:
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            support.promise(*messages, **settings)
    for thresholds in ((), (0.5, float("nan"))):
        with pytest.raises(ValueError, match="thresholds must be"):
            support.promise(*messages, risk=0.2, thresholds=thresholds)


def draws(n, rng):
    """Confidences, and outcomes whose probability is below them: an overconfident classifier."""
    confidence = torch.rand(n, generator=rng, dtype=torch.float64)
    return confidence, torch.rand(n, generator=rng, dtype=torch.float64) < confidence**1.5


def test_a_promise_is_broken_as_seldom_as_was_said():
    """The true risk above a threshold is known here: of 150 promises few may be wrong."""
    n_broken = 0
    n_made = 0
    for seed in range(150):
        confidence, is_right = draws(2_000, seeded(seed))
        made = support.promise(confidence, is_right, risk=0.14, delta=0.1)
        if made.coverage:
            n_made += 1
            t = made.threshold
            right = (1 - t**2.5) / 2.5 / (1 - t)  # mean of p ** 1.5 above t
            n_broken += 1 - right > 0.14
    assert n_made > 75
    assert n_broken <= stats.binom.ppf(0.999, 150, 0.1)


def test_without_the_bound_every_second_promise_is_broken():
    """The control: the share of errors itself as a bound, at the threshold that just meets it."""
    n_broken = 0
    for seed in range(150):
        confidence, is_right = draws(2_000, seeded(seed))
        for t in support.THRESHOLDS:
            answered = confidence >= t
            if (answered & ~is_right).sum() <= 0.14 * answered.sum():
                n_broken += 1 - (1 - t**2.5) / 2.5 / (1 - t) > 0.14
                break
    assert n_broken > 30


def test_a_promise_states_what_it_rests_on():
    confidence = torch.tensor([0.97] * 300 + [0.55] * 100)
    is_right = torch.tensor([True] * 300 + [False] * 100)
    made = support.promise(confidence, is_right, risk=0.05)
    assert made.threshold == 0.6
    assert (made.coverage, made.n_errors) == (0.75, 0)
    assert made.bound == pytest.approx(1 - (0.1 / len(support.THRESHOLDS)) ** (1 / 300))
    none = support.promise(confidence[300:], is_right[300:], risk=0.05)
    assert none.threshold == math.inf
    assert (none.coverage, none.bound) == (0, 1)


def test_coverage_and_accuracy_of_five_messages():
    confidence = torch.tensor([0.9, 0.5, 0.8, 0.8, 0.1])
    is_right = torch.tensor([True, False, True, False, True])
    coverage, accuracy = support.coverage_curve(confidence, is_right)
    assert coverage.tolist() == pytest.approx([0.2, 0.6, 0.8, 1.0])
    assert accuracy.tolist() == pytest.approx([1, 2 / 3, 2 / 4, 3 / 5])


# --- calibration --------------------------------------------------------------------------------


def test_the_temperature_of_logits_that_were_scaled_is_found_again():
    logits = 2 * torch.randn(20_000, 5, generator=seeded(0), dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=seeded(1))[:, 0]
    for factor in (0.25, 1.0, 6.0):
        assert support.fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.05)


def test_the_temperature_makes_held_out_labels_most_probable():
    logits = torch.randn(50, 4, generator=seeded(2)).double()
    labels = torch.randint(4, (50,), generator=seeded(3))
    labels[:30] = logits[:30].argmax(1)

    def nll(t):
        return torch.nn.functional.cross_entropy(logits / t, labels)

    best = support.fit_temperature(logits, labels)
    assert nll(best) <= min(nll(best * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_a_class_that_is_never_named_does_not_disturb_the_temperature():
    logits = torch.randn(500, 4, generator=seeded(2))
    labels = torch.multinomial(logits.softmax(1), 1, generator=seeded(1))[:, 0]
    wider = torch.cat([logits, torch.full((500, 1), -torch.inf)], dim=1)
    expected = support.fit_temperature(logits, labels)
    assert support.fit_temperature(wider, labels) == pytest.approx(expected, rel=1e-6)
    assert float(support.temperature_scaled(wider, 3.0)[:, 4].max()) == 0


def test_expected_calibration_error_by_hand():
    confidence = torch.tensor([0.95, 0.85, 0.85, 0.25])
    is_right = torch.tensor([True, True, False, True])
    found = support.reliability(confidence, is_right)
    assert found.n.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 2, 1]
    expected = (1 * 0.75 + 2 * 0.35 + 1 * 0.05) / 4
    assert found.expected_calibration_error == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_upper_end_of_a_bin_belongs_to_it(dtype):
    confidence = torch.tensor([i / 10 for i in range(1, 11)], dtype=dtype)
    assert support.reliability(confidence, confidence > 0).n.tolist() == [1] * 10


def test_no_temperature_is_found_where_none_can_be():
    logits = torch.tensor([[0.0, 1, -torch.inf], [0, 1, -torch.inf]])
    for bad, labels, words in (
        (logits, [0, 2], "never learned"),
        (logits * torch.nan, [0, 1], "not a number"),
        (logits[:0], [], "hold a number or more"),
        (logits, [0, 3], "labels must be classes"),
    ):
        with pytest.raises(ValueError, match=words):
            support.fit_temperature(bad, torch.tensor(labels, dtype=torch.int64))
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="temperature must be positive"):
            support.temperature_scaled(logits, temperature)


def test_perfect_calibration_has_no_zero_error_on_few_messages():
    errors = []
    for n in (100, 10_000):
        confidence = torch.rand(n, generator=seeded(0))
        is_right = torch.rand(n, generator=seeded(1)) < confidence
        errors.append(support.reliability(confidence, is_right).expected_calibration_error)
    assert errors[0] > 0.03
    assert errors[1] < errors[0] / 3


# --- unknown messages ---------------------------------------------------------------------------


@given(
    known=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    unknown=st.lists(st.integers(0, 9), min_size=1, max_size=30),
)
def test_auroc_is_scikit_learns_with_ties(known, unknown):
    expected = roc_auc_score([1] * len(known) + [0] * len(unknown), known + unknown)
    found = support.auroc(torch.tensor(known).double(), torch.tensor(unknown).double())
    assert found == pytest.approx(expected)


def test_nearness_is_largest_at_a_class_mean_and_measures_in_deviations():
    rng = seeded(0)
    spread = torch.tensor([1.0, 10.0])
    means = torch.tensor([[0.0, 0.0], [20.0, 0.0]])
    labels = torch.arange(2).repeat(500)
    train = means[labels] + spread * torch.randn(1_000, 2, generator=rng)
    places = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    found = support.nearness(train, labels, places, shrinkage=0.0)
    assert found[0] > found[2] > found[1]
    assert float(found[1]) == pytest.approx(-25, rel=0.15)
    assert float(found[2]) == pytest.approx(-0.25, rel=0.4)


def test_energy_of_log_probabilities_says_nothing():
    logits = torch.randn(5, 7, generator=seeded(0))
    assert support.energy(logits.log_softmax(1)).abs().max() < 1e-6
    assert support.energy(logits).std() > 0.1


def test_scores_of_nothing_and_of_no_numbers_are_refused():
    scores = torch.tensor([0.1, 0.2])
    for known, unknown in ((scores[:0], scores), (scores, scores[:0])):
        with pytest.raises(ValueError, match="hold a number or more"):
            support.auroc(known, unknown)
    with pytest.raises(ValueError, match="not a number"):
        support.auroc(scores, scores * torch.nan)
    assert support.auroc(scores, torch.tensor([-torch.inf])) == 1
    features, labels = torch.eye(3), torch.tensor([0, 0, 1])
    with pytest.raises(Exception, match=r"come from one model|violates type hint"):
        support.nearness(features, labels, torch.eye(2))
    with pytest.raises(Exception, match=r"one for each of 3|violates type hint"):
        support.nearness(features, labels[:2], features)
    with pytest.raises(ValueError, match="shrinkage"):
        support.nearness(features, labels, features, shrinkage=2.0)
