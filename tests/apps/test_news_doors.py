"""What the news monitor refuses at its doors, and odd input that it takes rightly."""

import inspect
import math
from typing import Any, cast

import numpy as np
import pytest
import torch

from aigc_tutorial.apps import news
from aigc_tutorial.apps.checks import as_texts
from aigc_tutorial.apps.news import operating

RATES = news.Rates(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0.8, 0.1, 0.05]))
LABELS = torch.tensor([0, 1, 2, 2])
N, K = torch.full((1, 6), 4.0), torch.ones(1, 6)
STREAM = news.Stream(torch.tensor([0.5, 1.5]), torch.tensor([0, 1]), n_hours=48)


def rng():
    return torch.Generator().manual_seed(0)


def trends(**changes):
    settings: dict[str, Any] = {
        "topics": ["oil", "oil"],
        "named_bearish": torch.tensor([True, False]),
        "rates": None,
        "history_hours": 24,
    }
    return news.topic_trends(
        STREAM, detector=news.Cusum(), threshold=5.0, rng=rng(), **settings | changes
    )


def drawn(**changes):
    settings: dict[str, Any] = {
        "labels": LABELS,
        "topics": ["oil"] * 4,
        "per_hour": {"oil": RATES.per_hour},
        "n_hours": 48,
    }
    return news.draw_stream(**settings | changes, rng=rng())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: news.word_list_sentiment("Oil slumps"), "write \\[text\\]"),
        (lambda: news.keyword_topics("Oil slumps"), "write \\[text\\]"),
        (lambda: news.clusters(["oil"], 2, method="NMF", seed=0), "make no 2 clusters"),
        (lambda: news.clusters(["油", ""], 2, method="NMF", seed=0), "nothing to sort them by"),
        (lambda: news.agreement([], []), "same texts"),
        (lambda: news.agreement([1, 2], [1, 2, 3]), "got 2, 3"),
        # named 3 would be counted as another class's text, in silence
        (lambda: news.macro_f1(LABELS, torch.tensor([0, 3, 2, 2])), "between 0 and 2"),
        (lambda: news.macro_f1(LABELS, LABELS[:3]), "must be equal"),
        (lambda: news.macro_f1(LABELS[:0], LABELS[:0]), "no text"),
        (
            lambda: news.bootstrap_interval(news.macro_f1, LABELS[:0], LABELS[:0], rng=rng()),
            "no text",
        ),
        (
            lambda: news.bootstrap_interval(news.macro_f1, LABELS, LABELS, rng=rng(), level=95),
            "level must lie between 0 and 1",
        ),
        (lambda: news.naming_rates(LABELS, LABELS[:2]), "must be equal"),
        (lambda: news.NamingRates(11, 10, 0, 5), "cannot be named so"),
        (lambda: news.adjusted_share(math.nan, news.NamingRates(8, 10, 1, 10)), "share_named"),
        (lambda: news.adjusted_share(20.0, news.NamingRates(8, 10, 1, 10)), "share_named"),
        (lambda: news.share_interval(N[0], N[0] - 1, rng=rng()), "no more than all"),
        (
            lambda: news.share_interval(K[0], N[0], news.NamingRates(1, 10, 9, 10), rng=rng()),
            "say nothing of its share",
        ),
        # runs and periods would change places, in silence
        (
            lambda: inspect.unwrap(news.share_interval)(K, N, rng=rng()),
            "one run after the other",
        ),
        (lambda: news.standardised(N, K, torch.tensor([15.0])), "between 0 and 1"),
        (lambda: news.standardised(N, K, torch.tensor([math.nan])), "NaN or infinite"),
        (lambda: news.standardised(N, N + 1, torch.tensor([0.2])), "no more than all"),
        # one NaN would silence a cumulative sum for good
        (
            lambda: news.watch(news.Cusum(), N / 0.0 * 0.0, N, K, thresholds=[5.0]),
            "NaN or infinite",
        ),
        (lambda: news.watch(news.Cusum(), N, N, K, thresholds=[]), "one number or more"),
        (lambda: news.siegmund_run_length(-1.0, 0.5), "must be 0 or more"),
        (lambda: news.Rates(torch.tensor([1.0, -2.0, 5.0]), RATES.named), "0 or more"),
        (lambda: news.Rates(RATES.per_hour, torch.tensor([80.0, 10.0, 5.0])), "from 0 to 1"),
        (lambda: news.Rates(RATES.per_hour, RATES.named, swing=1.5), "swing"),
        (lambda: news.hourly_counts(RATES, 0, n_runs=3, rng=rng()), "n_hours"),
        (
            lambda: news.hourly_counts(
                RATES, 24, n_runs=3, rng=rng(), bursts=[news.Burst(start=30, hours=2, factor=4)]
            ),
            "begins in hour 30",
        ),
        (lambda: drawn(per_hour={}), "names no topic"),
        (lambda: drawn(topics=["oil"] * 3), "must be equal"),
        (
            lambda: drawn(bursts={"Oil": [news.Burst(start=0, hours=2, factor=4)]}),
            "bursts are wanted in 'Oil'",
        ),
        (lambda: trends(history_hours=48), "let some follow it"),
        (lambda: trends(window=25), "take a shorter one"),
        (lambda: trends(topics=["oil"], named_bearish=torch.tensor([True])), "shows text 1"),
        # its share would be drawn as it is named, beside others that are adjusted
        (lambda: trends(rates={"gold": news.NamingRates(8, 10, 1, 10)}), "no rates of the topic"),
        (lambda: news.dashboard({}), "no topic to draw"),
        (lambda: news.dashboard(trends(), surges={"tea": (0, 24)}), "surges are in .* tea"),
        (
            lambda: news.operating_curve(news.Cusum(), RATES, [5.0], rng=rng(), history_days=0),
            "history_days",
        ),
        (lambda: news.operating_curve(news.Cusum(), RATES, [], rng=rng(), n_runs=8), "thresholds"),
        (
            lambda: news.at_false_alarms(
                [news.OperatingPoint(h, 1 / h, h, 1.0) for h in (3.0, 1.0, 2.0)], 0.5
            ),
            "rising thresholds",
        ),
        (lambda: news.at_false_alarms([], 0.5), "no point"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_with_a_reason(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: news.hourly_counts(RATES, 24, n_runs=3, rng=cast(Any, 0)),
        lambda: news.share_interval(K[0], N[0], rng=cast(Any, 0)),
        lambda: news.watch(cast(Any, news.Cusum), N, N, K, thresholds=[5.0]),
        lambda: trends(named_bearish=torch.tensor([0, 1])),
        lambda: STREAM.counts(torch.tensor([0, 1])),  # would be taken for positions
    ],
)
def test_another_kind_of_thing_is_a_type_error(call):
    with pytest.raises(TypeError):
        call()


def test_counts_may_be_whole_numbers_and_double_precision_stays():
    whole = news.standardised(N.long(), K.long(), torch.tensor([0.25]))
    assert torch.equal(whole, news.standardised(N, K, torch.tensor([0.25])))
    z = torch.full((1, 12), 2.5, dtype=torch.float64)
    for detector in (news.Cusum(), news.Ewma(), news.MovingShare(), news.MovingCount()):
        double = news.watch(detector, z, z, z, thresholds=[5.5, 0.5])
        single = news.watch(detector, z.float(), z.float(), z.float(), thresholds=[5.5, 0.5])
        assert torch.equal(double, single)


def test_no_tweet_comes_after_the_end_of_a_long_stream():
    """In float32, with 128 numbers an hour there, one of 250 came in hour 100,000 of 100,000."""
    n_hours = 100_000
    burst = news.Burst(start=n_hours - 1, hours=1, factor=1e6, bearish_only=False)
    rates = {"oil": RATES.per_hour / 1e3}
    stream = drawn(n_hours=n_hours, per_hour=rates, bursts={"oil": [burst]}, swing=0.0)
    counts = stream.counts(torch.ones(4, dtype=torch.bool))
    assert len(counts) == n_hours
    assert int(counts[-1]) == pytest.approx(8_000, rel=0.1)


def test_labels_may_be_arrays_of_any_whole_type():
    labels = LABELS.numpy().astype(np.int8)
    assert news.macro_f1(labels, labels.tolist()) == 1
    assert news.naming_rates(labels, labels).true_rate == 1


def test_a_list_with_something_else_than_a_text_says_where():
    with pytest.raises(ValueError, match="number 1 is nan"):
        as_texts(["Oil slumps", math.nan])


def test_no_text_has_no_sentiment_and_odd_letters_are_no_fault():
    assert news.word_list_sentiment([]).shape == (0,)
    odd = ["", "\u0130STANBUL FALLS", "\ud83d\udcc9", "a" * 10_000, "股价大跌\n"]
    assert news.word_list_sentiment(odd).tolist() == [2, 0, 2, 2, 0]


@pytest.mark.parametrize("drift", [1e-12, 1e-9, 1e-7, 1e-5, 1.9e-4, 2.1e-4])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_run_length_is_smooth_where_its_terms_cancel(drift, sign):
    """Without the series rounding is of the size of the result for drifts about 1e-8."""
    border = 4 + 1.166
    x = sign * drift * border
    expected = border**2 * (1 - 2 * x / 3 + x**2 / 3)
    found = news.siegmund_run_length(4.0, 0.5, 0.5 + sign * drift)
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_threshold_that_no_walk_reaches_has_an_endless_run_length():
    assert news.siegmund_run_length(2_000.0, 0.5) == math.inf
    assert news.siegmund_run_length(100.0, 0.5) < math.inf


def test_each_burst_is_watched_with_a_history_of_its_own(monkeypatch):
    seen = []

    def standardised(n, k, share):
        seen.append(share)
        return news.standardised(n, k, share)

    monkeypatch.setattr(operating, "standardised", standardised)
    news.operating_curve(news.Cusum(), RATES, [3.0], rng=rng(), n_runs=16, quiet_days=1)
    quiet, *bursts = seen
    assert torch.equal(torch.cat(bursts), quiet)


@pytest.mark.parametrize("method", ["k-means", "NMF"])
def test_two_kinds_of_texts_are_told_apart_whatever_the_beginning(method):
    """By one beginning of k-means on raw counts, three of ten seeds did not."""
    pytest.importorskip("sklearn")
    kinds = ["oil rig pump barrel", "bank loan credit rate", "film actor screen award"]
    order = torch.randint(4, (3, 12, 3), generator=rng())
    texts = [" ".join(kinds[i].split()[j] for j in row) for i in range(3) for row in order[i]]
    truth = [i for i in range(3) for _ in range(12)]
    for seed in range(5):
        found, words = news.clusters(texts, 3, method=method, seed=seed)
        assert news.agreement(truth, found)["ari"] == pytest.approx(1)
        assert {frozenset(row[:4]) for row in words} == {frozenset(kind.split()) for kind in kinds}
