"""Helpers of pages: source as it is, bands that bite, failures that must happen."""

import inspect
import io
import math
import re
import tempfile
from dataclasses import dataclass
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aigc_tutorial import pages
from aigc_tutorial.gan import penalties
from aigc_tutorial.pages import checks, source, tables
from aigc_tutorial.pages.display import Shown, format_number, literal, typeset_number
from aigc_tutorial.pages.source import listing


@pytest.fixture
def shown(monkeypatch):
    """Everything that a test shows, in order."""
    record: list[Shown] = []
    for module in (checks, source):
        monkeypatch.setattr(module, "show", record.append)
    monkeypatch.setattr(tables, "show", record.append)
    return record


def test_source_is_what_the_file_holds(shown):
    pages.show_source(penalties.r1_penalty)
    (block,) = shown
    file = Path(penalties.__file__).read_text(encoding="utf-8")
    code = block.markdown.split("```python\n")[1].removesuffix("\n```")
    assert code in file
    assert code.startswith("def r1_penalty(")
    assert code.endswith("mean()")
    first = file[: file.index(code)].count("\n") + 1
    assert f"aigc_tutorial/gan/penalties.py`, line {first}" in block.markdown


# Not of the package: its classes get one more decorator under pytest, which checks shapes, and
# Python 3.13 then takes the line of the class for the first one.
@dataclass(frozen=True)
class Decorated:
    """A class with a decorator."""

    value: int


def test_source_of_classes_methods_and_modules():
    assert listing(Decorated).code.startswith("@dataclass(frozen=True)\nclass Decorated:")
    assert listing(source.Listing.caption).code.startswith("def caption(")
    assert listing(penalties).code == Path(penalties.__file__).read_text(encoding="utf-8")
    assert listing(penalties).first_line == 1


def test_source_links_to_the_repository(monkeypatch):
    monkeypatch.setattr(source, "repository_url", lambda: "https://example.org/repo/")
    found = listing(pages.expect)
    lines, first = inspect.getsourcelines(inspect.unwrap(pages.expect))
    assert found.caption().endswith(
        "(https://example.org/repo/blob/main/aigc_tutorial/pages/checks.py"
        f"#L{first}-L{first + len(lines) - 1})"
    )


def test_source_without_a_known_address_still_says_where(monkeypatch):
    def unknown():
        raise LookupError("no address")

    monkeypatch.setattr(source, "repository_url", unknown)
    assert listing(pages.expect).caption().startswith("`aigc_tutorial/pages/checks.py`, line ")


def test_source_of_a_number_is_refused():
    with pytest.raises(TypeError, match="no Python source"):
        pages.show_source(3)
    with pytest.raises(TypeError, match="no Python source"):
        pages.show_source(len)


def test_expect_shows_what_lies_in_the_band(shown):
    pages.expect(52.13, 40, 75, "Fréchet distance")
    assert shown[0].plain == "✓ Fréchet distance 52.1, expected 40 to 75"
    assert "**52.1**" in shown[0].markdown
    pages.expect(torch.tensor(0.98), 0.9, math.inf, "accuracy")
    assert shown[1].plain == "✓ accuracy 0.98, expected at least 0.9"
    pages.expect(3, -math.inf, 5, "time", "s")
    assert shown[2].plain == "✓ time 3 s, expected at most 5 s"


@pytest.mark.parametrize("value", [39.9, 75.1, math.nan, math.inf])
def test_expect_raises_outside_its_band(value, shown):
    with pytest.raises(AssertionError, match=r"Fréchet distance was .* expected 40 to 75"):
        pages.expect(value, 40, 75, "Fréchet distance")
    assert shown == []


def test_the_ends_of_a_band_belong_to_it(shown):
    pages.expect_band([40, 75], 40, 75, "x")
    assert "(2 runs)" in shown[0].plain


def test_the_ends_of_a_band_keep_their_digits(shown):
    pages.expect(1, 0.9999, 1.0001, "x")
    pages.expect(4_500, 4_000, 12_000, "y")
    assert shown[0].plain == "✓ x 1, expected 0.9999 to 1.0001"
    assert shown[1].plain == "✓ y 4,500, expected 4,000 to 12,000"


def test_an_end_of_a_band_that_was_computed_has_the_digits_of_other_numbers(shown):
    pages.expect(0.2, 0, 0.305938423, "x")
    assert shown[0].plain == "✓ x 0.2, expected 0 to 0.306"


def test_one_seed_outside_is_enough_to_fail():
    with pytest.raises(AssertionError, match=r"50, 80, 60 \(3 runs\)"):
        pages.expect_band([50, 80, 60], 40, 75, "x")


def test_senseless_bands_are_refused():
    with pytest.raises(ValueError, match="low to high"):
        pages.expect(1, 2, 1, "x")
    with pytest.raises(ValueError, match="low to high"):
        pages.expect(1, math.nan, 1, "x")
    with pytest.raises(ValueError, match="no value"):
        pages.expect_band([], 0, 1, "x")
    by_seed: Any = {0: 50.0, 1: 60.0}
    for named in (by_seed, by_seed.keys(), {0, 1}):
        with pytest.raises(ValueError, match=r"values of x must be in a list.*results.values"):
            pages.expect_band(named, 0, 1, "x")
    pages.expect_band(by_seed.values(), 40, 70, "x")


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (1.0000001, 0, 1, "1.0000001"),
        (0.05001, 0, 0.05, "0.05001"),
        (-1e-6, 0, 1, "−10⁻⁶"),
        (1000.4, 0, 1000, "1000.4"),
    ],
)
def test_a_value_outside_its_band_is_not_rounded_into_it(value, low, high, said):
    with pytest.raises(AssertionError, match=f"^loss was {re.escape(said)}, expected"):
        pages.expect(value, low, high, "loss")


def test_numbers_of_a_run_away_training_have_no_made_up_digits():
    assert [format_number(x) for x in (123_456.0, -9.9e11, 1e12, -3e38)] == [
        "123,456",
        "−990,000,000,000",
        "10¹²",
        "−3 × 10³⁸",
    ]


def test_numbers_are_short():
    numbers = (52.123, 0.012345, 12345.6, 0.0, 999.9, -1234.0)
    assert [format_number(n) for n in numbers] == [
        "52.1", "0.0123", "12,346", "0", "1,000", "−1,234",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "set_in_print"),
    [
        ("-0.50", "−0.50"),
        ("-0.00", "0.00"),
        ("-0.0%", "0.0%"),
        ("0.00e+00", "0"),
        ("-7.97e-08", "−7.97 × 10⁻⁸"),
        ("1e-12", "10⁻¹²"),
        ("2.36e+00", "2.36"),
        ("-inf", "−inf"),
        ("-0.100 +0.490 i, -0.000 -0.5 i", "−0.100 +0.490 i, 0.000 −0.5 i"),
        ("2024-03-07", "2024-03-07"),
    ],
)
def test_numbers_are_set_as_in_print(written, set_in_print):
    assert typeset_number(written) == set_in_print


def test_a_result_far_below_its_band_is_about_zero(shown):
    pages.expect(-7.97e-08, -1e-4, 1e-4, "less log V", "nats")
    assert shown[0].plain == "✓ less log V ≈ 0 nats, expected −0.0001 to 0.0001 nats"
    pages.expect_band([0, 1.33e-15], 0, 1e-12, "off")
    assert shown[1].plain == "✓ off 0, ≈ 0 (2 runs), expected 0 to 10⁻¹²"
    pages.expect(3.34e-06, 0, 1e-4, "difference")
    assert shown[2].plain == "✓ difference 3.34 × 10⁻⁶, expected 0 to 0.0001"


def test_a_result_is_never_about_zero_where_zero_is_outside_or_the_band_is_open(shown):
    pages.expect(2e-9, 1e-9, 1, "positive")
    pages.expect(2e-9, 0, math.inf, "positive")
    pages.expect(0.00128, -0.02, 1, "a loss that is not rounding")
    assert [line.plain.split(",")[0] for line in shown] == [
        "✓ positive 2 × 10⁻⁹",
        "✓ positive 2 × 10⁻⁹",
        "✓ a loss that is not rounding 0.00128",
    ]


def test_numbers_that_come_as_text_stand_to_the_right(shown):
    rows = [
        ("1.04, -0.95", "8.0 of 8", "12 s", "4 beams", -0.001),
        ("-0.100 +0.490 i", "–", "≈ 0", "5.2", 2.0),
    ]
    pages.table(rows, ["ends", "modes", "time", "name", "r"], formats={"r": ".2f"})
    html = shown[0].html
    for text in ("1.04, −0.95", "8.0 of 8", "12 s", "≈ 0", "−0.100 +0.490 i", "0.00"):
        assert re.search(f"text-align: right[^>]*>{re.escape(text)}</td>", html), text
    assert re.search("text-align: left[^>]*>4 beams</td>", html)


def test_table_escapes_and_aligns(shown):
    rows: list[dict[str, object]] = [
        {"model": "a < b", "distance": 62.04, "n": 10000},
        {"model": "c", "distance": None, "n": 5},
    ]
    pages.table(rows, caption="Lower is better")
    (result,) = shown
    assert "a &lt; b" in result.html
    assert re.search("text-align: right[^>]*>62</td>", result.html)
    assert re.search("text-align: right[^>]*>10,000</td>", result.html)
    assert re.search("text-align: left[^>]*>c</td>", result.html)
    assert "<caption>Lower is better</caption>" in result.html
    assert result.plain.splitlines()[-1].split() == ["c", "–", "5"]


def test_table_takes_sequences_and_formats(shown):
    pages.table([("a", 0.123)], ["name", "share"], formats={"share": ".1%"})
    assert "12.3%" in shown[0].html


def test_columns_may_be_numbers(shown):
    pages.table([{0: 0.5, 1: 0.25}, {0: 1.0, 1: 2.0}], formats={1: ".2f"})
    pages.table([(1, 2)], columns=[3, None], caption="runs")
    assert [line.split() for line in shown[0].plain.splitlines()] == [
        ["0", "1"],
        ["0.5", "0.25"],
        ["1", "2.00"],
    ]
    assert shown[1].plain.splitlines()[1].split() == ["3", "None"]
    with pytest.raises(ValueError, match="row 1 has no 0"):
        pages.table([{0: 1}, {1: 1}])


def test_what_an_output_cannot_write_does_not_end_the_page(monkeypatch):
    file = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr("sys.stdout", file)
    pages.expect(0.5, 0, 1, "Fréchet distance")
    file.seek(0)
    assert file.read() == "? Fréchet distance 0.5, expected 0 to 1\n"


def test_table_formats_numbers_of_numpy_and_torch_as_pythons(shown):
    numbers = (0.125, np.float32(0.125), torch.tensor(0.125), torch.tensor([0.125]), np.ones(1) / 8)
    rows = [(number, count) for number in numbers for count in (4096, np.int64(4096))]
    pages.table(rows, ["share", "n"], formats={"share": ".1%"})
    pages.table([(np.bool_(True), torch.tensor(4096))], ["ok", "n"])
    for line in shown[0].plain.splitlines()[1:]:
        assert line.split() == ["12.5%", "4,096"]
    assert shown[0].html.count("text-align: right") == 2 * (len(rows) + 1)
    assert shown[1].plain.splitlines()[1].split() == ["yes", "4,096"]


def test_of_a_masked_entry_a_table_says_no_number(shown):
    hidden = np.ma.array([2.0, 4.0], mask=[True, False])
    pages.table([{"a": 1.0, "b": hidden[0]}, {"a": 3.0, "b": hidden[1]}])
    assert [line.split() for line in shown[0].plain.splitlines()[1:]] == [["1", "–"], ["3", "4"]]


def test_table_leaves_out_what_was_not_asked_for_and_nothing_else(shown):
    rows = [{"loss": 1.0}, {"loss": 2.0, "kl": 3.0}]
    with pytest.raises(ValueError, match=r"row 1 has kl, which the first row has not; .*columns="):
        pages.table(rows)
    pages.table(rows, columns=["loss"])
    assert shown[0].plain.split() == ["loss", "1", "2"]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "no rows"),
        ([("a", 1)], {}, "columns="),
        ([("a", 1)], {"columns": ["x"]}, "row 0 has 2 values for 1"),
        ([{"x": 1}, {"y": 1}], {}, "row 1 has no x"),
        ([{"x": 1}], {"formats": {"z": ".1f"}}, "not there: z"),
        ({"x": 1, "y": 2}, {}, r"got a dict; .*list\(results\.items\(\)\)"),
        (np.ones((2, 2)), {"columns": ["a", "b"]}, r"got a ndarray; .*array\.tolist\(\)"),
        (torch.ones(2, 2), {"columns": ["a", "b"]}, "expected a list of rows"),
        ((row for row in [{"x": 1}]), {}, "got a generator"),
        ("ab", {"columns": ["a"]}, "got a str"),
        ([1, 2], {"columns": ["a"]}, r"expected each row .*got 1; .*\[\[number\] for number"),
    ],
)
def test_table_says_what_does_not_fit(rows, options, message):
    with pytest.raises(ValueError, match=message):
        unwrap(pages.table)(rows, **options)


def test_shows_error_shows_the_error(shown):
    with pages.shows_error(RuntimeError, "second time"):
        loss = torch.ones(1, requires_grad=True).square().sum()
        loss.backward()
        loss.backward()
    assert shown[0].plain.startswith("✗ RuntimeError: Trying to backward through the graph")
    assert len(shown[0].plain) < 260


def test_shows_error_leaves_out_where_temporary_files_lie(shown):
    path = Path(tempfile.gettempdir(), "tmp0x1", "run", "checkpoint.safetensors")

    def fail(error: Exception) -> None:
        raise error

    with pages.shows_error(ValueError, str(path)):  # the message itself has the path
        fail(ValueError(f"{path} belongs to another run"))
    with pages.shows_error(RuntimeError, "wait"):
        fail(RuntimeError(f"another run writes into {path.parent}: wait for its end"))
    assert [each.plain for each in shown] == [
        "✗ ValueError: …/checkpoint.safetensors belongs to another run",
        "✗ RuntimeError: another run writes into …/run: wait for its end",
    ]


def test_numbers_in_the_name_of_a_result_are_set_as_the_others(shown):
    pages.expect(-1, -1.5, -0.5, "slope at -3")
    assert shown[0].plain == "✓ slope at −3 −1, expected −1.5 to −0.5"


def test_shows_error_drops_the_codes_of_a_terminal(shown):
    def refuse():
        raise ValueError("only if you \x1b[1mtrust\x1b[0m the sender")

    with pages.shows_error(ValueError, "trust"):
        refuse()
    assert shown[0].plain == "✗ ValueError: only if you trust the sender"


def test_shows_error_fails_when_nothing_fails():
    with (
        pytest.raises(AssertionError, match="should have failed with ZeroDivisionError"),
        pages.shows_error(ZeroDivisionError, "division"),
    ):
        _ = 1 / 2


def test_shows_error_wants_the_stated_message():
    with (
        pytest.raises(AssertionError, match="lacks 'shape'"),
        pages.shows_error(ValueError, "shape"),
    ):
        raise ValueError("something else")


def test_shows_error_takes_one_of_several_messages(shown):
    for message in ("size of 8 expected", "must be 8"):
        with pages.shows_error(ValueError, ("size of 8", "be 8")):
            raise ValueError(message)
    assert len(shown) == 2
    with (
        pytest.raises(AssertionError, match="lacks 'size of 8' or 'be 8'"),
        pages.shows_error(ValueError, ("size of 8", "be 8")),
    ):
        raise ValueError("8")


def test_shows_error_lets_other_errors_through():
    with pytest.raises(KeyError), pages.shows_error(ValueError, "x"):
        raise KeyError("x")


def test_markdown_is_taken_literally():
    from markdown_it import MarkdownIt

    text = "loss_fake * 2 [a](b) `x` <b> 1_2_3 \\ (B,)"
    html = MarkdownIt("commonmark").render(literal(text))
    assert html.strip() == f"<p>{text.replace('<', '&lt;').replace('>', '&gt;')}</p>"


def test_a_result_is_one_number(shown):
    pages.expect(torch.tensor([2.0], requires_grad=True), 1, 5, "loss")
    pages.expect_band([np.ones(1), torch.ones(1, 1)], 1, 5, "loss")
    assert [line.plain for line in shown] == [
        "✓ loss 2, expected 1 to 5",
        "✓ loss 1, 1 (2 runs), expected 1 to 5",
    ]
    for several, message in (
        (torch.ones(2), r"loss must be one number, got \(2,\) of them; take their mean"),
        (np.ones((1, 3)), r"got \(1, 3\) of them"),
        (None, "loss must be a number, got a NoneType"),
        # the mean of no entry at all, whose number is 0
        (np.ma.array([9.0, 9.0], mask=True).mean(), "loss has 1 masked entries"),
    ):
        with pytest.raises(ValueError, match=message):
            unwrap(pages.expect_band)([several], 1, 5, "loss")
