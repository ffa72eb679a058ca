"""The built pages: results before code, nothing long left open, no warning."""

import re
from html import unescape

import chromium
import pytest

pytestmark = pytest.mark.built

CHAPTERS = [name for name in chromium.book_pages() if re.search(r"/0\d_", name)]
EACH = pytest.mark.parametrize("name", CHAPTERS)
FOLD = re.compile(r'<details class="fold fold-(\w+)">.*?</details>', re.DOTALL)
CODE = re.compile(r'<div class="cell_input .*?</pre>', re.DOTALL)
LIMIT = 60  # lines; an exercise's stub or an author's wish may leave open more than 40


def read(name: str) -> str:
    return (chromium.HTML / name).read_text(encoding="utf-8")


def open_code(text: str) -> list[str]:
    """Return the code of a page's cells that is not folded."""
    blocks = CODE.findall(FOLD.sub("", text))
    return [unescape(re.sub(r"<[^>]+>", "", block)).strip() for block in blocks]


def test_there_are_chapters() -> None:
    assert CHAPTERS


@EACH
def test_no_warning_is_published(name: str) -> None:
    text = read(name)
    assert 'class="output stderr' not in text
    assert re.search(r"data:\d+: DataFallbackWarning", text) is None


@EACH
def test_runs_of_checks_are_folded(name: str) -> None:
    text = FOLD.sub("", read(name))
    assert re.findall(r"(?:<p>✓ [^\n]*, expected [^\n]*</p>\s*){2,}", text) == []


@EACH
def test_what_is_drawn_stands_before_its_code(name: str) -> None:
    """Code that draws is folded, and what draws a page's Colab cell is one line."""
    blocks = open_code(read(name))
    assert [block for block in blocks if "google.colab" in block] == []
    assert [block[:80] for block in blocks if "frames_player(" in block] == []
    assert [block[:80] for block in blocks if len(block.splitlines()) > LIMIT] == []


@EACH
def test_code_is_less_than_half_open(name: str) -> None:
    text = read(name)
    lines = [block.count("\n") + 1 for block in CODE.findall(text)]
    n_open = sum(len(block.splitlines()) for block in open_code(text))
    assert n_open < 0.55 * sum(lines)
