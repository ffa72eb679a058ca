"""The book's own errata: their form, their order, and how they are shown."""

import re
from pathlib import Path

import pytest
from aigc_book import our_errata, repository
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

PAGE = repository.BOOK / "our_errata.md"
ENTRY = "- {date: 2026-11-29, page: 04_1_models, said: s, right: r, commit: c}\n"


def test_entries_are_complete_and_the_newest_stands_first() -> None:
    days = [entry["date"] for entry in our_errata.read_our_errata()]
    assert len(days) >= 5
    assert days == sorted(days, reverse=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ENTRY.replace("said: s, ", ""), "expected"),
        (ENTRY.replace("said: s", "said: s, more: m"), "more"),
        (ENTRY.replace("2026-11-29", "yesterday"), "'yesterday' is no date"),
        (ENTRY.replace("04_1_models", "04_9_none"), "no page 04_9_none"),
        (ENTRY + ENTRY.replace("-29", "-30"), "entry 2 is newer"),
    ],
)
def test_what_is_not_an_entry_or_not_in_its_place_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "our_errata.yml"
    path.write_text(ENTRY + ENTRY.replace("-29", "-28"))
    assert len(our_errata.read_our_errata(path)) == 2
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        our_errata.read_our_errata(path)


def test_each_entry_is_shown_with_its_day_its_page_and_both_texts(tmp_path: Path) -> None:
    pages = {str(entry["page"]) for entry in our_errata.read_our_errata()}
    for page in pages:
        (tmp_path / f"{page}.md").write_text(f"# Page {page}\n")
    listed = "\n".join(sorted(pages))
    (tmp_path / "index.md").write_text(
        f"{PAGE.read_text('utf-8')}\n```{{toctree}}\n{listed}\n```\n"
    )
    app = Sphinx(
        tmp_path, None, tmp_path / "out", tmp_path / "trees", "html",
        confoverrides={
            "extensions": ["myst_parser", "aigc_book.our_errata"],
            "myst_enable_extensions": ["dollarmath"],
        },
        status=None,
    )  # fmt: skip
    app.build()
    soup = BeautifulSoup((tmp_path / "out" / "index.html").read_text("utf-8"), "html.parser")
    boxes = soup.select(".our-erratum")
    for box, entry in zip(boxes, our_errata.read_our_errata(), strict=True):
        text = re.sub(r"\s+", " ", box.text).replace("’", "'")
        assert text.startswith(f" {entry['date'].day} {entry['date']:%B %Y} · Page {entry['page']}")
        assert entry["commit"] in text
        assert "The page said." in text
        assert "What is right." in text
        assert box.select_one(f"a[href='{entry['page']}.html']") is not None
