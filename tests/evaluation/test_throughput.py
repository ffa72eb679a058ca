"""Timing side by side."""

import time

import pytest

from aigc_tutorial.evaluation import Throughput, samples_per_second


def test_rates_follow_the_durations_and_candidates_take_turns():
    calls: list[str] = []

    def run(name: str, seconds: float) -> None:
        calls.append(name)
        time.sleep(seconds)

    rates = samples_per_second(
        {"slow": lambda: run("slow", 0.04), "fast": lambda: run("fast", 0.005)},
        n_samples=10,
        n_rounds=3,
    )
    assert calls == ["slow", "fast"] * 4
    # sleep() never ends early, so these are upper limits.
    assert rates["slow"].fastest <= 10 / 0.04
    assert rates["fast"].fastest <= 10 / 0.005
    assert rates["fast"].median > 2 * rates["slow"].median
    for rate in rates.values():
        assert rate.slowest <= rate.median <= rate.fastest


def test_slow_rates_are_not_rounded_to_nothing():
    assert str(Throughput(0.4, 0.31, 0.4567)) == "0.4 samples/s (0.31 to 0.457)"
    assert str(Throughput(12_345.6, 999.6, 5e6)) == "12,346 samples/s (1,000 to 5,000,000)"


@pytest.mark.parametrize(
    "lazy", [lambda: iter([1]), lambda: map(time.sleep, [1]), lambda: (_ for _ in ())]
)
def test_work_that_was_only_promised_is_not_timed(lazy):
    """A stream would seem a thousand times as fast as what it does."""
    with pytest.raises(ValueError, match=r"'lazy' returns a .*, an iterator .*list"):
        samples_per_second({"done": lambda: [1], "lazy": lazy}, 10, n_rounds=3)


def test_refusals():
    with pytest.raises(ValueError, match="empty"):
        samples_per_second({}, 10)
    with pytest.raises(ValueError, match="n_rounds must be at least 3"):
        samples_per_second({"a": lambda: None}, 10, n_rounds=2)
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        samples_per_second({"a": lambda: None}, 0)
