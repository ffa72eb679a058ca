"""Bulletins have their form, their entropy, and every choice equally often."""

import math
from collections import Counter

import pytest
import torch

from aigc_tutorial.data.synthetic.bulletins import (
    BULLETIN_ENTROPY,
    share_of_bulletins,
    weather_bulletins,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_line_has_the_form():
    text = weather_bulletins(500, rng=seeded(0))
    assert text.count("\n") == 500
    assert share_of_bulletins(text) == 1


def test_choices_are_free_and_equally_likely():
    lines = weather_bulletins(7_000, rng=seeded(1)).splitlines()
    days = Counter(line.split()[0] for line in lines)
    assert len(days) == 7
    assert all(abs(n - 1_000) < 5 * math.sqrt(1_000) for n in days.values())
    winds = Counter(line.split("from the ")[1].split(".")[0] for line in lines)
    assert set(winds) == {"north", "south", "east", "west"}


def test_entropy_is_that_of_the_number_of_bulletins():
    assert math.exp(BULLETIN_ENTROPY) == pytest.approx(7 * 4 * 6 * 31 * 3 * 4 * 5)
    assert 18 < BULLETIN_ENTROPY / math.log(2) < 19


def test_what_is_no_bulletin_is_not_counted():
    good = weather_bulletins(1, rng=seeded(2))
    assert share_of_bulletins(good + good.replace("wind", "wand")) == 0.5
    assert share_of_bulletins(good + "Monday") == 1  # an unfinished line
    assert share_of_bulletins("Monday") == 0
    assert share_of_bulletins(good.replace("degrees", "degrees,")) == 0


def test_there_must_be_one():
    with pytest.raises(ValueError, match="at least 1"):
        weather_bulletins(0, rng=seeded(0))
