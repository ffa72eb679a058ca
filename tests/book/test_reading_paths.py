"""Ways through the book: pages that there are, and what reading and computing them costs."""

from pathlib import Path

import pytest
from aigc_book import reading_paths
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

COURSE = "course:\n  - {title: First, pages: [01_background]}\n"


def test_the_course_has_twelve_sessions_and_leaves_no_page_out() -> None:
    """Questions and errata are there to look something up."""
    assert len(reading_paths.read_sessions()) == 12
    pages = reading_paths.read_paths()[reading_paths.COURSE]
    assert pages == [page for page in reading_paths.all_pages() if page < "09"]


def test_no_session_is_twice_as_long_to_read_as_another() -> None:
    lengths = [sum(map(reading_paths.n_words, pages)) for _, pages in reading_paths.read_sessions()]
    assert max(lengths) < 2 * min(lengths)


def test_ways_grow_and_keep_the_order_of_the_book() -> None:
    paths = reading_paths.read_paths()
    assert list(paths) == ["evening", "week", "course"]
    assert set(paths["evening"]) < set(paths["week"]) < set(paths["course"])
    assert [sorted(pages) for pages in paths.values()] == list(paths.values())


def test_a_page_that_is_not_there_or_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reading_paths.yml"
    path.write_text(f"evening: [01_background]\n{COURSE}")
    assert reading_paths.read_paths(path)["course"] == ["01_background"]
    path.write_text(f"evening: [01_nothing]\n{COURSE}")
    with pytest.raises(ValueError, match=r"evening names .*01_nothing"):
        reading_paths.read_paths(path)
    path.write_text(f"evening: [01_background, 01_background]\n{COURSE}")
    with pytest.raises(ValueError, match="twice"):
        reading_paths.read_paths(path)


def test_links_sums_and_the_plan_are_shown(tmp_path: Path) -> None:
    paths, sessions = reading_paths.read_paths(), reading_paths.read_sessions()
    for page in paths["course"]:
        (tmp_path / f"{page}.md").write_text(f"# {page}\n")
    listed = "\n".join(paths["course"])
    (tmp_path / "index.md").write_text(
        "# Ways\n\n{path-pages}`evening`\n\n{path-cost}`evening`\n\n"
        f"```{{course-plan}}\n```\n\n```{{toctree}}\n:hidden:\n{listed}\n```\n"
    )
    app = Sphinx(
        tmp_path, None, tmp_path / "out", tmp_path / "trees", "html",
        confoverrides={"extensions": ["myst_parser", "aigc_book.reading_paths"]}, status=None,
    )  # fmt: skip
    app.build()
    soup = BeautifulSoup((tmp_path / "out" / "index.html").read_text("utf-8"), "html.parser")
    first = soup.select_one("section > p")
    assert first is not None
    assert first.text == "3.2.1 and 3.2.2"
    assert [a["href"] for a in first.select("a")] == [f"{page}.html" for page in paths["evening"]]
    cost = soup.select_one(".path-cost")
    assert cost is not None
    assert cost.text == reading_paths.cost(paths["evening"])
    rows = soup.select("tbody tr")
    for number, (row, (title, pages)) in enumerate(zip(rows, sessions, strict=True), start=1):
        cells = [cell.text.strip() for cell in row.select("td")]
        assert cells[:2] == [str(number), title]
        assert [a["href"] for a in row.select("a")] == [f"{page}.html" for page in pages]
        assert cells[5] == str(sum(map(reading_paths.n_exercises, pages)))
        assert int(cells[5]) >= len(pages)
