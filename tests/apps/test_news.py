"""The parts of the news monitor: scores, shares, topics, streams, detectors."""

import math

import pytest
import torch

from aigc_tutorial.apps import news
from aigc_tutorial.data import news_sample


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- sentiment ----------------------------------------------------------------------------------


def test_macro_f1_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    labels, named = torch.randint(3, (2, 80), generator=seeded()).unbind()
    expected = metrics.f1_score(labels, named, average="macro")
    assert news.macro_f1(labels, named) == pytest.approx(expected)
    only = torch.zeros(4, dtype=torch.int64)
    assert news.macro_f1(only, only) == pytest.approx(1 / 3)  # two classes that nobody has


def test_the_bootstrap_holds_the_score_and_narrows_with_more_texts():
    def accuracy(labels, named):
        return float((labels == named).double().mean())

    widths = []
    for n in (100, 1_600):
        labels = torch.zeros(n, dtype=torch.int64)
        named = (torch.arange(n) % 5 == 0).long()
        low, high = news.bootstrap_interval(accuracy, labels, named, rng=seeded())
        assert low < 0.8 < high
        widths.append(high - low)
    assert widths[0] == pytest.approx(2 * 1.96 * 0.04, rel=0.2)  # two sides of 1.96 standard errors
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)


def test_the_word_lists_read_both_languages_and_no_parts_of_words():
    texts = ["Shares FALL", "record profit", "Falluja", "油价大跌", "股价大涨", "allows", ""]
    assert news.word_list_sentiment(texts).tolist() == [0, 1, 2, 0, 1, 2, 2]
    undecided = "profit falls"  # one word of either list
    assert news.word_list_sentiment([undecided]).tolist() == [2]


@pytest.mark.parametrize(
    "make", [news.word_pairs, lambda: news.word_pairs(with_lists=True), news.letter_groups]
)
def test_counted_words_learn_what_they_are_shown(make):
    sample = news_sample()
    classifier = make().fit(sample.texts, sample.labels)
    named = torch.from_numpy(classifier.predict(sample.texts))
    assert news.macro_f1(sample.labels, named) > 0.95


# --- shares -------------------------------------------------------------------------------------


def test_rates_are_recall_and_false_alarms():
    labels = torch.tensor([0, 0, 0, 0, 1, 2, 2, 1, 2])
    named = torch.tensor([0, 0, 0, 2, 0, 2, 1, 1, 2])
    rates = news.naming_rates(labels, named)
    assert (rates.true_rate, rates.false_rate) == (0.75, 0.2)
    with pytest.raises(ValueError, match="texts of the class and others"):
        news.naming_rates(torch.tensor([1, 2]), torch.tensor([1, 2]))


def test_a_name_that_means_nothing_cannot_be_corrected():
    with pytest.raises(ValueError, match="say nothing of its share"):
        news.adjusted_share(0.3, news.NamingRates(3, 10, 30, 100))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_corrected_intervals_hold_the_true_share_about_as_often_as_they_say(share):
    """Classifier and counts are drawn anew each time; 90 % of 200, give or take."""
    rng, n = seeded(1), 200
    true, false, held, plain = 0.7, 0.1, 0, 0

    def binomial(n: int, probability: float) -> torch.Tensor:
        return torch.binomial(torch.tensor([float(n)]), torch.tensor([probability]), generator=rng)

    for _ in range(200):
        hits, wrong = binomial(100, true), binomial(400, false)
        rates = news.NamingRates(int(hits), 100, int(wrong), 400)
        counts = binomial(n, share * true + (1 - share) * false), torch.tensor([float(n)])
        low, _, high = news.share_interval(*counts, rates, rng=rng)[0].tolist()
        held += low <= share <= high
        low, _, high = news.share_interval(*counts, rng=rng)[0].tolist()
        plain += low <= share <= high
    assert 0.82 <= held / 200 <= 0.99
    if share != 0.2:  # near to the share that is named as often as it is
        assert plain < held / 2


# --- topics -------------------------------------------------------------------------------------


def test_keywords_name_most_topics_of_the_sample_and_clusters_few():
    pytest.importorskip("sklearn")
    sample = news_sample()
    by_words = news.agreement(sample.topics, news.keyword_topics(sample.texts))
    found, words = news.clusters(sample.texts, 5, method="NMF", seed=0)
    by_clusters = news.agreement(sample.topics, found)
    assert by_words["nmi"] > 0.5 > by_clusters["nmi"]
    assert [len(row) for row in words] == [6] * 5


def test_agreement_is_one_for_other_names_and_none_by_chance():
    pytest.importorskip("sklearn")
    topics = [i % 4 for i in range(400)]
    renamed = ["abcd"[topic] for topic in topics]
    by_chance = torch.randint(4, (400,), generator=seeded()).tolist()
    assert news.agreement(topics, renamed) == pytest.approx({"nmi": 1, "ari": 1})
    assert abs(news.agreement(topics, by_chance)["ari"]) < 0.02
    with pytest.raises(ValueError, match="two partitions"):
        news.agreement(topics)


# --- the stream ---------------------------------------------------------------------------------

RATES = news.Rates(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0.8, 0.1, 0.05]))


def test_hourly_counts_have_the_rates_that_were_asked_for():
    n, k = news.hourly_counts(RATES, 240, n_runs=200, rng=seeded())
    assert float(n.mean()) == pytest.approx(8, rel=0.02)
    assert float(k.mean()) == pytest.approx(0.8 + 0.2 + 0.25, rel=0.03)
    assert bool((k <= n).all())
    by_hour = n.view(200, 10, 24).mean((0, 1))
    assert int(by_hour.argmin()) in (23, 0)
    assert float(by_hour.max() / by_hour.min()) > 5


def test_a_burst_is_where_it_should_be_and_nowhere_else():
    burst = news.Burst(start=30, hours=10, factor=6)
    surge = news.Burst(start=50, hours=5, factor=3, bearish_only=False)
    n, k = news.hourly_counts(RATES, 60, n_runs=2_000, rng=seeded(), bursts=[burst, surge])
    usual_n, usual_k = news.hourly_counts(RATES, 60, n_runs=2_000, rng=seeded(1))
    more_n, more_k = n.mean(0) / usual_n.mean(0), k.mean(0) / usual_k.mean(0)
    inside = slice(30, 40)
    assert torch.allclose(more_n[inside].mean(), torch.tensor((8 + 5) / 8), rtol=0.05)
    assert torch.allclose(more_k[inside].mean(), torch.tensor((1.25 + 5 * 0.8) / 1.25), rtol=0.05)
    assert torch.allclose(more_n[50:55].mean(), torch.tensor(3.0), rtol=0.05)
    assert torch.allclose(more_n[:30].mean(), torch.tensor(1.0), rtol=0.03)


def test_a_drawn_stream_has_the_counts_that_are_simulated_without_texts():
    """Texts of 20 bearish, 20 bullish and 40 neutral; so many of each are named bearish."""
    labels = torch.tensor([0] * 20 + [1] * 20 + [2] * 40)
    named = torch.zeros(80, dtype=torch.bool)
    named[:16], named[20:22], named[40:42] = True, True, True  # shares .8, .1 and .05
    topics = ["oil"] * 80
    burst = news.Burst(start=200, hours=20, factor=5)
    stream = news.draw_stream(
        labels, topics, {"oil": RATES.per_hour}, 4_800, rng=seeded(), bursts={"oil": [burst]}
    )
    assert bool((stream.hours.diff() >= 0).all())
    n, k = stream.counts(torch.ones(80, dtype=torch.bool)), stream.counts(named)
    quiet = torch.ones(4_800, dtype=torch.bool)
    quiet[200:220] = False
    assert float(n[quiet].mean()) == pytest.approx(8, rel=0.03)
    assert float(k[quiet].mean()) == pytest.approx(1.25, rel=0.08)
    assert float(k[~quiet].mean()) > 2.5 * float(k[quiet].mean())
    with pytest.raises(ValueError, match="leave the topic out"):
        news.draw_stream(labels, ["gold"] * 80, {"oil": RATES.per_hour}, 48, rng=seeded())


# --- detectors ----------------------------------------------------------------------------------

DETECTORS = [news.Ewma(), news.Cusum(), news.MovingShare(), news.MovingCount()]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
def test_a_detector_rings_in_a_burst_and_less_often_with_a_higher_threshold(detector):
    burst = news.Burst(start=100, hours=48, factor=8)
    n, k = news.hourly_counts(RATES, 148, n_runs=50, rng=seeded(), bursts=[burst])
    z = news.standardised(n, k, torch.full((50,), 1.25 / 8))
    low = {"Ewma": 1.5, "Cusum": 2.0, "MovingShare": 0.25, "MovingCount": 12.0}
    threshold = low[type(detector).__name__]
    rings = news.watch(detector, z, n, k, thresholds=[threshold, 1.5 * threshold, 1e9])
    n_rings = rings[..., :100].float().sum((1, 2))
    assert n_rings[0] > n_rings[1] > n_rings[2] == 0
    assert bool(rings[0, :, 100:].any(1).all())


def test_after_an_alarm_a_detector_begins_afresh():
    z = torch.full((1, 12), 2.5)
    ones = torch.ones(1, 12)
    rings = news.watch(news.Cusum(0.5), z, ones, ones, thresholds=[5.5])
    assert rings[0, 0].nonzero()[:, 0].tolist() == [2, 5, 8, 11]  # 2, 4, 6 > 5.5
    window = news.MovingCount(hours=2)
    rings = news.watch(window, z, ones, ones, thresholds=[1.5])
    assert rings[0, 0].nonzero()[:, 0].tolist() == [1, 3, 5, 7, 9, 11]


def test_a_share_does_not_mind_that_everything_gets_more_and_a_count_does():
    surge = news.Burst(start=48, hours=24, factor=4, bearish_only=False)
    n, k = news.hourly_counts(
        news.Rates(RATES.per_hour, RATES.named, swing=0.0), 72, n_runs=200, rng=seeded(),
        bursts=[surge],
    )  # fmt: skip
    z = news.standardised(n, k, torch.full((200,), 1.25 / 8))
    share = news.watch(news.Cusum(), z, n, k, thresholds=[5.0])[0, :, 48:].any(1).float().mean()
    count = news.watch(news.MovingCount(), z, n, k, thresholds=[20.0])[0, :, 48:].any(1)
    assert share < 0.15
    assert count.float().mean() > 0.95


def test_hours_without_tweets_say_nothing():
    zero = torch.zeros(1, 5)
    assert news.standardised(zero, zero, torch.tensor([0.2])).tolist() == zero.tolist()
    usual = news.standardised(torch.ones(1, 5), zero, torch.tensor([0.0]))
    assert bool(usual.isfinite().all())


def test_more_false_alarms_buy_shorter_delays():
    points = news.operating_curve(
        news.Cusum(), RATES, [2.0, 4.0, 6.0], rng=seeded(), n_runs=40, quiet_days=20
    )
    alarms = [point.false_alarms_per_day for point in points]
    delays = [point.delay for point in points]
    assert alarms == sorted(alarms, reverse=True)
    assert delays == sorted(delays)
    between = news.at_false_alarms(points, math.sqrt(alarms[0] * alarms[1]))
    assert between.delay == pytest.approx((delays[0] + delays[1]) / 2)
    assert news.at_false_alarms(points, alarms[1]).threshold == pytest.approx(4)
    with pytest.raises(ValueError, match="try other thresholds"):
        news.at_false_alarms(points, 100)


def test_trends_follow_the_topic_that_turns_bad():
    pytest.importorskip("matplotlib")
    test = news_sample("test")
    per_hour = {"deals": RATES.per_hour, "earnings": RATES.per_hour}
    burst = news.Burst(start=7 * 24 + 60, hours=24, factor=8)
    stream = news.draw_stream(
        test.labels, test.topics, per_hour, 14 * 24, rng=seeded(), bursts={"deals": [burst]}
    )
    truth = test.labels == 0
    trends = news.topic_trends(stream, test.topics, truth, None, news.Cusum(), 8.0, rng=seeded())
    assert any(60 <= hour < 84 for hour in trends["deals"].alarms)
    assert not trends["earnings"].alarms
    low, middle, high = trends["deals"].share.T
    assert bool(((low <= middle) & (middle <= high)).all())
    assert float(middle[10:14].min()) > float(middle[:10].max()) - 0.2
    with pytest.raises(ValueError, match="let some follow it"):
        news.topic_trends(
            stream, test.topics, truth, None, news.Cusum(), 8.0, rng=seeded(), history_hours=336
        )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: news.Ewma(weight=0.0), "weight"),
        (lambda: news.Cusum(reference=-1.0), "reference"),
        (lambda: news.MovingShare(hours=0), "hours"),
        (lambda: news.Burst(start=-1, hours=2, factor=2.0), "start"),
    ],
)
def test_settings_are_checked(make, match):
    with pytest.raises(ValueError, match=match):
        make()
