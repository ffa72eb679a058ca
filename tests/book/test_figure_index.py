"""The index of figures: made from the captions, in the order of the book, and never behind."""

from pathlib import Path

from bs4 import BeautifulSoup
from PIL import Image
from sphinx.application import Sphinx

FIGURE = "```{{figure}} curve.png\n:alt: A curve\n\n{caption}\n```\n"


def build(folder: Path) -> list[tuple[str, str]]:
    """Build a book and return the index: for each entry its link and its words."""
    app = Sphinx(
        folder, None, folder / "out", folder / "trees", "html",
        confoverrides={
            "extensions": ["myst_parser", "aigc_book.figures", "aigc_book.figure_index"],
            "language": "en",
            "aigc_extension": "e",
        },
        status=None,
    )  # fmt: skip
    app.build()
    soup = BeautifulSoup((folder / "out" / "index.html").read_text("utf-8"), "html.parser")
    entries = soup.select(".figure-index li")
    return [(str(entry.select("a")[0]["href"]), entry.text) for entry in entries]


def test_figures_are_listed_in_the_order_of_the_contents_and_listed_anew(tmp_path: Path) -> None:
    Image.new("RGB", (8, 4)).save(tmp_path / "curve.png")
    toctree = "```{toctree}\nsecond\nfirst\n```\n"
    (tmp_path / "index.md").write_text(f"# Index\n\n```{{figure-index}}\n```\n\n{toctree}")
    first = "# 3.1 First\n\n" + FIGURE.format(caption="A loss. Look at its end.")
    (tmp_path / "first.md").write_text(first)
    two = "".join(FIGURE.format(caption=words) for words in ("Heaps?", "A ring. It breaks."))
    (tmp_path / "second.md").write_text(f"# 2.1 Second\n\n{two}")
    of_second = [
        ("second.html#figure-1", "Figure 2.1-1 Heaps?"),
        ("second.html#figure-2", "Figure 2.1-2 A ring."),
    ]
    assert build(tmp_path) == [*of_second, ("first.html#figure-1", "Figure 3.1-1 A loss.")]
    anchors = BeautifulSoup((tmp_path / "out" / "second.html").read_text("utf-8"), "html.parser")
    assert [figure["id"] for figure in anchors.select("figure")] == ["figure-1", "figure-2"]
    (tmp_path / "first.md").write_text(first.replace("A loss", "A gain"))
    assert build(tmp_path) == [*of_second, ("first.html#figure-1", "Figure 3.1-1 A gain.")]
