"""Every way of writing a date says the same date, and no date for tests is learned from."""

from datetime import date

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import DATE_STYLES, WEEKDAYS, DatePair, date_pairs, write_date

DAYS = st.dates(date(1950, 1, 1), date(2049, 12, 31))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("style", "weekday", "text"),
    [
        ("British", False, "7 March 2024"),
        ("British", True, "Thursday 7 March 2024"),
        ("American", False, "March 7th, 2024"),
        ("American", True, "Thursday, March 7th, 2024"),
        ("German", False, "7. März 2024"),
        ("German", True, "Donnerstag, 7. März 2024"),
        ("French", False, "7 mars 2024"),
        ("French", True, "jeudi 7 mars 2024"),
        ("Chinese", False, "二〇二四年三月七日"),
        ("Chinese", True, "二〇二四年三月七日星期四"),
    ],
)
def test_a_date_in_every_style(style, weekday, text):
    assert write_date(date(2024, 3, 7), style, weekday=weekday) == text


@pytest.mark.parametrize(
    ("day", "style", "text"),
    [
        (date(2001, 1, 1), "American", "January 1st, 2001"),
        (date(2001, 1, 2), "American", "January 2nd, 2001"),
        (date(2001, 1, 3), "American", "January 3rd, 2001"),
        (date(2001, 1, 11), "American", "January 11th, 2001"),
        (date(2001, 1, 12), "American", "January 12th, 2001"),
        (date(2001, 1, 13), "American", "January 13th, 2001"),
        (date(2001, 1, 22), "American", "January 22nd, 2001"),
        (date(2001, 1, 31), "American", "January 31st, 2001"),
        (date(2001, 8, 1), "French", "1er août 2001"),
        (date(2001, 10, 10), "Chinese", "二〇〇一年十月十日"),
        (date(2001, 11, 20), "Chinese", "二〇〇一年十一月二十日"),
        (date(2001, 12, 31), "Chinese", "二〇〇一年十二月三十一日"),
    ],
)
def test_numbers_are_written_as_people_do(day, style, text):
    assert write_date(day, style, weekday=False) == text


@given(first=DAYS, second=DAYS, style=st.sampled_from(DATE_STYLES), weekday=st.booleans())
def test_different_dates_are_written_differently(first, second, style, weekday):
    same = write_date(first, style, weekday=weekday) == write_date(second, style, weekday=weekday)
    assert same == (first == second)


@given(day=DAYS, style=st.sampled_from(DATE_STYLES))
def test_the_weekday_only_adds_to_the_date(day, style):
    without = write_date(day, style, weekday=False)
    with_it = write_date(day, style, weekday=True)
    assert without in with_it
    assert len(with_it) > len(without)


def test_an_unknown_style_is_refused():
    with pytest.raises(Exception, match="style"):  # the type checker of the tests may be first
        write_date(date(2024, 3, 7), "Roman", weekday=False)  # type: ignore[arg-type]


def test_a_target_is_the_date_and_its_weekday():
    for pair in date_pairs("train", 200, rng=seeded()):
        day, weekday = pair.target.split(" ")
        parsed = date.fromisoformat(day)
        assert weekday == WEEKDAYS[parsed.weekday()]
        assert write_date(parsed, pair.style, weekday=pair.has_weekday) == pair.source
        assert len(pair.target) == 14


def test_no_date_for_tests_is_learned_from():
    train = {pair.target for pair in date_pairs("train", 20_000, rng=seeded(1))}
    test = {pair.target for pair in date_pairs("test", 5_000, rng=seeded(2))}
    assert not train & test
    assert len(test) > 2_500, "3,652 dates are for tests"


def test_styles_and_weekdays_are_drawn_evenly():
    pairs = date_pairs("train", 5_000, rng=seeded())
    for style in DATE_STYLES:
        share = sum(pair.style == style for pair in pairs) / len(pairs)
        assert abs(share - 0.2) < 0.03
    assert abs(sum(pair.has_weekday for pair in pairs) / len(pairs) - 0.5) < 0.03


def test_pairs_follow_from_the_seed():
    first, again = (date_pairs("test", 20, rng=seeded(3)) for _ in range(2))
    assert first == again
    assert first != date_pairs("test", 20, rng=seeded(4))
    assert isinstance(first[0], DatePair)


def test_an_unknown_split_is_refused():
    with pytest.raises(Exception, match="split"):  # the type checker of the tests may be first
        date_pairs("validation", 3, rng=seeded())  # type: ignore[arg-type]


def test_sources_fit_in_31_characters():
    longest = max(
        len(write_date(date(2024, month, day), style, weekday=True))
        for month in range(1, 13)
        for day in range(1, 29)
        for style in DATE_STYLES
    )
    assert longest == len("Wednesday, September 25th, 2024") == 31
