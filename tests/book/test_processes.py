"""Several processes write the pages that one would write."""

from pathlib import Path

import pytest
from aigc_book import formulas, pictures, processes
from PIL import Image
from sphinx.application import Sphinx

N_PAGES = 8
PAGE = """
{line}
Page {n}
{line}

A formula, :math:`x_{n} = {n}`, and a picture.

.. image:: {n}.png
"""


def build(source: Path, folder: Path) -> dict[str, bytes]:
    """Return the pages and the pictures of a small book, by name."""
    app = Sphinx(
        source, None, folder / "html", folder / "trees", "html",
        confoverrides={
            "extensions": ["aigc_book.formulas", "aigc_book.pictures", "aigc_book.processes"],
            "html_theme": "basic",
        },
        status=None,
    )  # fmt: skip
    app.build()
    html = folder / "html"
    files = [*html.glob("*.html"), *html.glob("_images/*")]
    return {path.relative_to(html).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    names = [f"page_{n}" for n in range(N_PAGES)]
    tree = "\n".join(f"   {name}" for name in names)
    (folder / "index.rst").write_text(f"=====\nIndex\n=====\n\n.. toctree::\n\n{tree}\n")
    for n, name in enumerate(names):
        (folder / f"{name}.rst").write_text(PAGE.format(n=n, line="=" * 7))
        Image.new("RGB", (300 + n, 200), "white").save(folder / f"{n}.png")
    return folder


def test_several_processes_write_what_one_writes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for n in (1, 3):
        kept = tmp_path / f"kept {n}"
        (kept / "formulas").mkdir(parents=True)
        monkeypatch.setattr(formulas, "cache_folder", lambda kept=kept: kept / "formulas")
        monkeypatch.setattr(pictures, "KEPT", kept / "pictures")
        monkeypatch.setattr(processes, "n_processes", lambda n=n: n)
        found[n] = build(source, tmp_path / f"built by {n}")
    assert found[1] == found[3]
    pages = [html for name, html in found[3].items() if name.startswith("page_")]
    assert len(pages) == N_PAGES
    assert all(b"<mjx-container" in html and b".webp" in html for html in pages)
    assert len([name for name in found[3] if name.endswith(".webp")]) == N_PAGES
