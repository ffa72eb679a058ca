"""What an alarm costs: hours until it rings, against false alarms a day."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.apps.news.alarms import Detector, standardised, watch
from aigc_tutorial.apps.news.stream import HOURS, Burst, Rates, hourly_counts
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class OperatingPoint:
    """What a detector does at one threshold.

    Attributes:
        threshold: above which it rings.
        false_alarms_per_day: while nothing happens.
        delay: hours from the beginning of a burst to the first alarm in it, in the mean; a burst
            that is missed counts with its whole length.
        found: share of the bursts in which it rings.
    """

    threshold: float
    false_alarms_per_day: float
    delay: float
    found: float


def operating_curve(
    detector: Detector,
    rates: Rates,
    thresholds: Sequence[float],
    *,
    rng: torch.Generator,
    burst_hours: int = 24,
    factor: float = 4.0,
    n_runs: int = 100,
    history_days: int = 14,
    quiet_days: int = 30,
) -> list[OperatingPoint]:
    """False alarms and delays over thresholds, in a simulated stream of one topic.

    Each run has a history in which nothing happens, from which the usual share is taken; then
    quiet days, in which every alarm is false; then a burst of bad news that begins at an hour of
    its own.

    Args:
        detector: the rule.
        rates: of the topic.
        thresholds: at least one.
        rng: draws.
        burst_hours: length of the burst.
        factor: by which bad news come more often in it.
        n_runs: independent runs; the bursts begin at eight hours of the day, so rather a multiple
            of eight.
        history_days: before the watch begins.
        quiet_days: watched before the burst.

    Raises:
        TypeError: if the detector or rng is none.
        ValueError: if there is no threshold, or a number is out of its range.
    """
    require_rng(rng)
    n_runs = as_count(n_runs, "n_runs")
    history_days = as_count(history_days, "history_days")
    quiet_days = as_count(quiet_days, "quiet_days")
    n, k = hourly_counts(rates, HOURS * history_days, n_runs=n_runs, rng=rng)
    usual = k.sum(1) / n.sum(1).clamp(min=1)
    quiet = hourly_counts(rates, HOURS * quiet_days, n_runs=n_runs, rng=rng)
    rings = watch(detector, standardised(*quiet, usual), *quiet, thresholds=thresholds)
    n_false = rings.float().sum(2).mean(1) / quiet_days
    delays = []
    starts = [HOURS * 2 + start for start in range(0, HOURS, 3)]
    n_each = -(-n_runs // len(starts))
    histories = usual[torch.arange(n_each * len(starts)) % n_runs].view(len(starts), n_each)
    for start, share in zip(starts, histories, strict=True):
        burst = Burst(start=start, hours=burst_hours, factor=factor)
        counts = hourly_counts(rates, start + burst_hours, n_runs=n_each, rng=rng, bursts=[burst])
        rings = watch(detector, standardised(*counts, share), *counts, thresholds=thresholds)
        delays.append(_delays(rings[..., start:]))
    waited = torch.cat(delays, 1)
    points = zip(thresholds, n_false.tolist(), waited, strict=True)
    return [
        OperatingPoint(
            threshold,
            alarms,
            float(hours.clamp(max=burst_hours).mean()),
            float((hours <= burst_hours).float().mean()),
        )
        for threshold, alarms, hours in points
    ]


def _delays(rings: Tensor) -> Float[Tensor, "H R"]:
    """Hours to the first alarm, one more than there are where none comes."""
    hours = torch.arange(1, rings.shape[2] + 1, dtype=torch.float32)
    return torch.where(rings, hours, torch.tensor(rings.shape[2] + 1.0)).amin(2)


def at_false_alarms(points: Sequence[OperatingPoint], per_day: float) -> OperatingPoint:
    """The point of a curve with so many false alarms a day, between the two nearest.

    Args:
        points: as :func:`operating_curve` returns them, of rising thresholds.
        per_day: false alarms wanted; logarithms are interpolated.

    Raises:
        ValueError: if the curve has no point or does not reach so far, or its thresholds do not
            rise.
    """
    if not points:
        raise ValueError("the curve has no point; operating_curve makes one for each threshold")
    limits = [point.threshold for point in points]
    if limits != sorted(limits):
        raise ValueError("the points of a curve must be of rising thresholds; sort them")
    alarms = np.array([point.false_alarms_per_day for point in points])
    kept = alarms > 0
    if not kept.any() or not alarms[kept].min() <= per_day <= alarms.max():
        raise ValueError(
            f"the curve goes from {alarms[kept].min() if kept.any() else 0:.3g} to "
            f"{alarms.max():.3g} false alarms a day, and {per_day:g} is not between; try other "
            "thresholds"
        )
    where = np.log(alarms[kept])[::-1]
    columns = [
        np.array([getattr(point, name) for point in points])[kept][::-1]
        for name in ("threshold", "delay", "found")
    ]
    threshold, delay, found = (float(np.interp(np.log(per_day), where, y)) for y in columns)
    return OperatingPoint(threshold, per_day, delay, found)
