"""Dates as people write them, and as machines do: a translation with one right answer."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

import torch

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

DateStyle = Literal["British", "American", "German", "French", "Chinese"]
DateSplit = Literal["train", "test"]

DATE_STYLES: tuple[DateStyle, ...] = get_args(DateStyle)
"""The ways of writing a date that :func:`write_date` knows."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""The names of the weekdays in a translation, as Python counts them: Monday is 0."""

_FIRST, _LAST = date(1950, 1, 1), date(2049, 12, 31)
_N_DAYS = (_LAST - _FIRST).days + 1
_TEST_SHARE = 0.1

_DAYS: dict[str, str] = {
    "English": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "German": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "French": "lundi mardi mercredi jeudi vendredi samedi dimanche",
}
_MONTHS: dict[str, str] = {
    "English": "January February March April May June "
    "July August September October November December",
    "German": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "French": "janvier février mars avril mai juin "
    "juillet août septembre octobre novembre décembre",
}
_CHINESE_DIGITS = "〇一二三四五六七八九"
_CHINESE_DAYS = "一二三四五六日"


@dataclass(frozen=True)
class DatePair:
    """A date as somebody wrote it, and its translation.

    Attributes:
        source: for example ``"jeudi 7 mars 2024"`` or ``"March 7th, 2024"``.
        target: the date in the order of ISO 8601 and the weekday: ``"2024-03-07 Thu"``.
        style: how the source is written.
        has_weekday: whether the source names the weekday. If not, it follows from the calendar
            alone.
    """

    source: str
    target: str
    style: DateStyle
    has_weekday: bool


def write_date(day: date, style: DateStyle, *, weekday: bool) -> str:
    """Write a date as it is usual somewhere.

    >>> write_date(date(2024, 3, 7), "American", weekday=True)
    'Thursday, March 7th, 2024'
    >>> write_date(date(2024, 3, 7), "Chinese", weekday=False)
    '二〇二四年三月七日'

    Args:
        day: the date.
        style: one of :data:`DATE_STYLES`.
        weekday: whether to name the weekday too.

    Raises:
        ValueError: if there is no such style.
    """
    if style not in DATE_STYLES:
        raise ValueError(f"style is {style!r}; expected one of {', '.join(DATE_STYLES)}")
    number, name = day.day, day.weekday()
    if style == "Chinese":
        year = "".join(_CHINESE_DIGITS[int(digit)] for digit in str(day.year))
        text = f"{year}年{_chinese_number(day.month)}月{_chinese_number(number)}日"
        return text + (f"星期{_CHINESE_DAYS[name]}" if weekday else "")
    language = style if style in _DAYS else "English"
    month = _MONTHS[language].split()[day.month - 1]
    text = {
        "British": f"{number} {month}",
        "American": f"{month} {number}{_ordinal_ending(number)},",
        "German": f"{number}. {month}",
        "French": f"{'1er' if number == 1 else number} {month}",
    }[style]
    comma = "," if style in ("American", "German") else ""
    prefix = f"{_DAYS[language].split()[name]}{comma} " if weekday else ""
    return f"{prefix}{text} {day.year}"


def date_pairs(split: DateSplit, n_pairs: int, *, rng: torch.Generator) -> list[DatePair]:
    """Draw dates of the years 1950 to 2049, each written in a random style, with its translation.

    Every tenth date, chosen once and for all, is for tests: it is in no pair for training, in
    whatever style. Half of the sources name the weekday.

    >>> pair = date_pairs("train", 1, rng=torch.Generator().manual_seed(0))[0]
    >>> pair.source, pair.target
    ('一九五三年十月十九日星期一', '1953-10-19 Mon')

    Args:
        split: ``"train"`` or ``"test"``.
        n_pairs: how many, drawn with replacement.
        rng: draws dates, styles, and which sources name the weekday.

    Raises:
        ValueError: if ``split`` is no split.
    """
    if split not in get_args(DateSplit):
        raise ValueError(f"split is {split!r}; expected one of {', '.join(get_args(DateSplit))}")
    as_count(n_pairs, "n_pairs")
    require_rng(rng)
    order = torch.randperm(_N_DAYS, generator=torch.Generator().manual_seed(0), device="cpu")
    n_test = round(_TEST_SHARE * _N_DAYS)
    days = order[:n_test] if split == "test" else order[n_test:]
    drawn = days[torch.randint(len(days), (n_pairs,), generator=rng, device="cpu")].tolist()
    styles = torch.randint(len(DATE_STYLES), (n_pairs,), generator=rng, device="cpu").tolist()
    named = (torch.rand(n_pairs, generator=rng, dtype=torch.float32, device="cpu") < 0.5).tolist()
    return [
        _pair(_FIRST + timedelta(days=day), DATE_STYLES[style], weekday)
        for day, style, weekday in zip(drawn, styles, named, strict=True)
    ]


def _pair(day: date, style: DateStyle, weekday: bool) -> DatePair:
    source = write_date(day, style, weekday=weekday)
    target = f"{day.isoformat()} {WEEKDAYS[day.weekday()]}"
    return DatePair(source, target, style, weekday)


def _ordinal_ending(number: int) -> str:
    """The letters after a number that counts: 1st, 2nd, 3rd, 4th, but 11th, 12th, 13th."""
    if number in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _chinese_number(number: int) -> str:
    """Write a number from 1 to 99 in Chinese numerals: 二十三 is 23, 十 is 10."""
    tens, units = divmod(number, 10)
    return (
        (_CHINESE_DIGITS[tens] if tens > 1 else "")
        + ("十" if tens else "")
        + (_CHINESE_DIGITS[units] if units else "")
    )
