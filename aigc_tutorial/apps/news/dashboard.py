"""The picture that somebody on duty looks at: trend, alarms and volume of each topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.apps.checks import as_texts
from aigc_tutorial.apps.news.alarms import Detector, standardised, watch
from aigc_tutorial.apps.news.checks import as_mask
from aigc_tutorial.apps.news.shares import NamingRates, share_interval
from aigc_tutorial.apps.news.stream import HOURS, Stream
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class TopicTrend:
    """What is shown of a topic, from the end of the history on.

    Attributes:
        volume: tweets of each hour.
        share: lower end, middle and upper end of the share of bad news in each window, (W, 3).
        window: hours of a window.
        alarms: hours in which the detector rang.
        usual: share of those named bearish in the history.
    """

    volume: Float[Tensor, " T"]
    share: Float[Tensor, "W 3"]
    window: int
    alarms: list[int]
    usual: float


def topic_trends(
    stream: Stream,
    topics: Sequence[str],
    named_bearish: Tensor,
    rates: Mapping[str, NamingRates] | NamingRates | None,
    detector: Detector,
    threshold: float,
    *,
    rng: torch.Generator,
    history_hours: int = 7 * HOURS,
    window: int = 6,
) -> dict[str, TopicTrend]:
    """Follow each topic of a stream.

    Args:
        stream: the tweets.
        topics: of each text.
        named_bearish: of each text whether it is named bearish (N,).
        rates: how often that is right, of each topic or of all; None where labels are known.
        detector: watches each topic by itself.
        threshold: above which it rings.
        rng: draws the intervals.
        history_hours: in which the usual share is learned and no alarm is given.
        window: hours that are taken together for the trend.

    Raises:
        TypeError: if ``named_bearish`` holds no truth values, or rng is no generator.
        ValueError: if the history is as long as the stream, the window longer than what follows,
            a topic has no rates, or the numbers of topics and names do not fit the stream.
    """
    require_rng(rng)
    topics = as_texts(topics, "topics")
    named_bearish = as_mask(named_bearish, len(topics), "named_bearish")
    window = as_count(window, "window")
    if len(stream.rows) and int(stream.rows.max()) >= len(topics):
        raise ValueError(
            f"the stream shows text {int(stream.rows.max())}, and topics are given of "
            f"{len(topics)}; give those of all texts that it was drawn from"
        )
    if not 0 < history_hours < stream.n_hours:
        raise ValueError(
            f"the history has {history_hours} hours and the stream {stream.n_hours}; let some "
            "follow it"
        )
    if window > stream.n_hours - history_hours:
        raise ValueError(
            f"a window has {window} hours and {stream.n_hours - history_hours} follow the "
            "history; take a shorter one"
        )
    trends = {}
    for topic in dict.fromkeys(topics[row] for row in stream.rows.tolist()):
        is_topic = torch.tensor([name == topic for name in topics])
        n, k = stream.counts(is_topic), stream.counts(is_topic & named_bearish)
        usual = k[:history_hours].sum() / n[:history_hours].sum().clamp(min=1)
        n, k = n[history_hours:], k[history_hours:]
        z = standardised(n[None], k[None], usual[None])
        rings = watch(detector, z, n[None], k[None], thresholds=[threshold])[0, 0]
        whole = len(n) // window * window
        n_named, n_texts = (counts[:whole].view(-1, window).sum(1) for counts in (k, n))
        if isinstance(rates, Mapping) and topic not in rates:
            raise ValueError(
                f"there are no rates of the topic {topic!r}, so its share cannot be adjusted"
            )
        of_topic = rates[topic] if isinstance(rates, Mapping) else rates
        trends[topic] = TopicTrend(
            volume=n,
            share=share_interval(n_named, n_texts, of_topic, rng=rng),
            window=window,
            alarms=rings.nonzero()[:, 0].tolist(),
            usual=float(usual),
        )
    return trends


def dashboard(
    trends: Mapping[str, TopicTrend],
    *,
    bursts: Mapping[str, tuple[int, int]] | None = None,
    surges: Mapping[str, tuple[int, int]] | None = None,
) -> None:
    """Draw a row for each topic: share of bad news with its interval, alarms, and the volume below.

    Args:
        trends: as :func:`topic_trends` returns them.
        bursts: for some topics the first hour of a known burst after the history, and its length.
        surges: the same of times in which all tweets come more often; they are hatched.

    Raises:
        ValueError: if there is no topic, or a burst or surge is in one that is not shown.
    """
    if not trends:
        raise ValueError("there is no topic to draw")
    spans = {"bursts": bursts or {}, "surges": surges or {}}
    for name, each in spans.items():
        if unknown := set(each) - set(trends):
            raise ValueError(
                f"{name} are in topics that are not drawn: {', '.join(sorted(unknown))}"
            )
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from aigc_tutorial.viz.style import BLUE, GREEN, INK, PURPLE, VERMILLION, style

    highest = max(float(trend.share[:, 1].max()) for trend in trends.values())
    top = min(1.0, 1.35 * highest)
    strip = 0.5 * top  # below the shares, for the volume
    looks = {
        "bursts": {"facecolor": GREEN, "alpha": 0.25},
        "surges": {"facecolor": "none", "edgecolor": PURPLE, "hatch": "///", "linewidth": 0},
    }
    with style():
        figure, axes = plt.subplots(
            len(trends), 1, figsize=(7, 0.6 + 1.35 * len(trends)), sharex=True, squeeze=False
        )
        for ax, (topic, trend) in zip(axes[:, 0], trends.items(), strict=True):
            hours = (torch.arange(len(trend.share)) + 0.5) * trend.window / HOURS
            low, middle, high = trend.share.T
            ax.fill_between(hours, low, high, color=BLUE, alpha=0.25, linewidth=0)
            ax.plot(hours, middle, color=BLUE)
            for name, each in spans.items():
                if topic in each:
                    start, length = each[topic]
                    ax.axvspan(start / HOURS, (start + length) / HOURS, **looks[name])
            for hour in trend.alarms:
                ax.plot(
                    (hour + 1) / HOURS, 0.97, "v", color=VERMILLION, markersize=6, clip_on=False,
                    transform=ax.get_xaxis_transform(),
                )  # fmt: skip
            ax.set_yticks([tick for tick in MaxNLocator(3).tick_values(0, top) if tick <= top])
            ax.set_ylim(-strip, top)
            ax.spines["left"].set_bounds(0, top)
            ax.axhline(0, color=INK, linewidth=0.6)
            ax.set_title(topic)
            behind = ax.twinx()
            behind.fill_between(
                (torch.arange(len(trend.volume)) + 0.5) / HOURS, trend.volume, step="mid",
                color=INK, alpha=0.65, linewidth=0,
            )  # fmt: skip
            most = float(trend.volume.max().clamp(min=1))
            behind.set_ylim(0, 1.1 * most * (top + strip) / strip)
            behind.set_yticks([])
        axes[-1, 0].set_xlabel("days since the watch began")
        figure.supylabel("share of bad news", fontsize=9)
