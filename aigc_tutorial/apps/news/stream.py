"""A stream of tweets with known bursts, made of tweets that bear no time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.apps.checks import as_share, as_texts
from aigc_tutorial.config import Config
from aigc_tutorial.data import SENTIMENTS
from aigc_tutorial.data.checks import (
    as_classes,
    as_floats,
    require_rng,
    require_same_length,
)
from aigc_tutorial.integers import as_count

HOURS = 24


@dataclass(frozen=True)
class Burst(Config):
    """A time in which more tweets come.

    Attributes:
        start: first hour.
        hours: how long.
        factor: by which the rate is multiplied.
        bearish_only: whether only bad news come more often, or all tweets, as on a busy day.
    """

    start: int
    hours: int
    factor: float
    bearish_only: bool = True

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("start", at_least=0)
        self.require("hours", at_least=1)
        self.require("factor", at_least=0)


@dataclass(frozen=True)
class Rates:
    """Tweets of one topic.

    Attributes:
        per_hour: tweets an hour of each sentiment, in the mean over a day, (3,).
        named: of each sentiment the share that the classifier names bearish, (3,); ones and zeros
            where it makes no mistake.
        swing: by which share of the mean the rate of a day swings, slowest at midnight.
    """

    per_hour: Float[Tensor, " 3"]
    named: Float[Tensor, " 3"]
    swing: float = 0.8

    def __post_init__(self) -> None:
        """Check that they are rates and shares.

        Raises:
            TypeError: if they are no numbers.
            ValueError: if there are not three of each, or one is out of its range.
        """
        object.__setattr__(self, "per_hour", _three(self.per_hour, "per_hour"))
        object.__setattr__(self, "named", _three(self.named, "named"))
        if bool((self.named > 1).any()):
            raise ValueError(f"named must be shares from 0 to 1, got {self.named.tolist()}")
        as_share(self.swing, "swing")


def _three(values: Any, name: str) -> Tensor:
    """A number of each sentiment, none of them negative."""
    numbers = as_floats(values, name, "Give them with a decimal point.")
    if numbers.shape != (len(SENTIMENTS),) or bool((numbers < 0).any()):
        raise ValueError(
            f"{name} must be three numbers of 0 or more, for {', '.join(SENTIMENTS)}; got "
            f"{numbers.tolist()}"
        )
    return numbers


def _profile(n_hours: int, swing: float) -> Tensor:
    hours = torch.arange(n_hours) + 0.5
    return 1 - swing * torch.cos(2 * torch.pi * hours / HOURS)


def _factors(n_hours: int, bursts: Sequence[Burst]) -> Tensor:
    """By what each sentiment's rate is multiplied, (3, n_hours)."""
    factors = torch.ones(len(SENTIMENTS), n_hours)
    for burst in bursts:
        if burst.start >= n_hours:
            raise ValueError(
                f"the burst begins in hour {burst.start}, and the stream has {n_hours}; let it "
                "begin before"
            )
        rows = slice(0, 1) if burst.bearish_only else slice(0, 3)
        factors[rows, burst.start : burst.start + burst.hours] *= burst.factor
    return factors


def hourly_counts(
    rates: Rates,
    n_hours: int,
    *,
    n_runs: int,
    rng: torch.Generator,
    bursts: Sequence[Burst] = (),
) -> tuple[Float[Tensor, "R T"], Float[Tensor, "R T"]]:
    """Tweets of each hour, and how many of them are named bearish, in independent runs.

    Arrivals are Poisson processes, one for each sentiment. Each tweet is named bearish with the
    probability of its sentiment, as if it were drawn, with repetition, from the texts on which
    ``rates.named`` was measured.

    Args:
        rates: of the topic.
        n_hours: length of each run.
        n_runs: R.
        rng: draws.
        bursts: in every run.

    Raises:
        TypeError: if rng is no generator.
        ValueError: if a number is no count, or a burst begins behind the end.
    """
    require_rng(rng)
    n_hours, n_runs = as_count(n_hours, "n_hours"), as_count(n_runs, "n_runs")
    mean = rates.per_hour[:, None] * _profile(n_hours, rates.swing) * _factors(n_hours, bursts)
    mean = mean.expand(n_runs, -1, -1)
    named = torch.poisson(mean * rates.named[:, None], generator=rng).sum(1)
    others = torch.poisson(mean * (1 - rates.named[:, None]), generator=rng).sum(1)
    return named + others, named


@dataclass(frozen=True)
class Stream:
    """Tweets in the order in which they come.

    Attributes:
        hours: when each comes, in hours from the start.
        rows: which text each is.
        n_hours: length of the stream.
    """

    hours: Float[Tensor, " N"]
    rows: Int64[Tensor, " N"]
    n_hours: int

    def counts(self, which: Tensor) -> Float[Tensor, " T"]:
        """Tweets of each hour among those for whose texts ``which`` is True.

        Raises:
            TypeError: if it holds no truth values.
        """
        if which.dtype != torch.bool:
            raise TypeError(f"which must be True or False for each text, got {which.dtype}")
        chosen = self.hours[which[self.rows]].long()
        return torch.bincount(chosen, minlength=self.n_hours).float()


def draw_stream(
    labels: Int64[Tensor, " N"],
    topics: Sequence[str],
    per_hour: dict[str, Float[Tensor, " 3"]],
    n_hours: int,
    *,
    rng: torch.Generator,
    bursts: dict[str, Sequence[Burst]] | None = None,
    swing: float = 0.8,
) -> Stream:
    """Make a stream of texts that bear no time.

    For each topic and sentiment tweets arrive by a Poisson process; which text comes is drawn, with
    repetition, from those of the topic and sentiment.

    Args:
        labels: sentiment of each text.
        topics: topic of each text.
        per_hour: for each topic of the stream its tweets an hour of each sentiment.
        n_hours: length.
        rng: draws.
        bursts: for each topic.
        swing: as in :class:`Rates`.

    Raises:
        TypeError: if rng is no generator.
        ValueError: if texts of a topic and sentiment are wanted and there are none; if no topic is
            given, or a burst is put into another one or behind the end.
    """
    require_rng(rng)
    labels, topics = as_classes(labels, len(SENTIMENTS)), as_texts(topics, "topics")
    require_same_length(labels, torch.empty(len(topics)), "labels", "topics")
    n_hours, swing = as_count(n_hours, "n_hours"), as_share(swing, "swing")
    if not per_hour:
        raise ValueError("per_hour names no topic; give the rates of one or more")
    if unknown := set(bursts or {}) - set(per_hour):
        raise ValueError(
            f"bursts are wanted in {', '.join(map(repr, sorted(unknown)))}, and the stream has "
            f"{', '.join(map(repr, per_hour))}"
        )
    hours, rows = [], []
    for topic, rates in per_hour.items():
        rates = _three(rates, f"per_hour of {topic!r}")
        is_topic = torch.tensor([name == topic for name in topics])
        factors = _factors(n_hours, (bursts or {}).get(topic, ()))
        for sentiment, rate in enumerate(rates.tolist()):
            pool = (is_topic & (labels == sentiment)).nonzero()[:, 0]
            counts = torch.poisson(
                rate * _profile(n_hours, swing) * factors[sentiment], generator=rng
            ).long()
            total = int(counts.sum())
            if total and not len(pool):
                raise ValueError(
                    f"there is no text of the topic {topic!r} with sentiment {sentiment}, of "
                    f"which {rate:.3g} an hour are wanted; leave the topic out"
                )
            when = torch.repeat_interleave(torch.arange(n_hours), counts)
            # In float64: 719 and a share of an hour can be 720 in float32, which is no hour of 720.
            hours.append(when.double() + torch.rand(total, generator=rng))
            if total:
                rows.append(pool[torch.randint(len(pool), (total,), generator=rng)])
    order = torch.cat(hours).argsort()
    return Stream(torch.cat(hours)[order], torch.cat(rows)[order], n_hours)
