"""The reference says where each entry is used, and each page what it uses."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from aigc_book import places, uses
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.errors import SphinxWarning
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html" / "book"
SETTINGS = {
    "extensions": [
        *("myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"),
        *(f"aigc_book.{part}" for part in ("folds", "page_order", "places", "uses")),
    ],
    "nb_execution_mode": "off",
    "myst_heading_anchors": 3,
    "language": "en",
}


def code(source: str, number: int) -> dict[str, str]:
    return {"cell_type": "code", "id": f"cell-{number:03d}", "source": source}


def test_a_name_is_what_its_import_says_and_stands_where_it_is_first_used() -> None:
    cells = [
        {"cell_type": "code", "id": "colab", "source": "%pip install aigc_tutorial"},
        code("import aigc_tutorial.gan as g, torch\nfrom aigc_tutorial import data", 3),
        code(
            "from aigc_tutorial.cpu import tune_cpu as tune\nx = g.losses.hinge(torch.ones(1))", 4
        ),
        code("tune()\ndata.ring(std=0.1).sample(1)\ng.losses.hinge\nother.gan.losses", 5),
    ]
    assert uses.names_in(cells) == {
        "aigc_tutorial.gan.losses.hinge": "cell-004",
        "aigc_tutorial.cpu.tune_cpu": "cell-005",
        "aigc_tutorial.data.ring": "cell-005",
    }


def test_an_import_alone_is_no_use() -> None:
    assert uses.names_in([code("import aigc_tutorial\nfrom aigc_tutorial import gan", 1)]) == {}


def write(path: Path, text: str) -> None:
    """Write a file unless it holds the text: Sphinx reads again what is newer."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def small_book(root: Path, uses_it: str) -> Path:
    """Write a book of one page and a reference of two modules."""
    folder = root / "book"
    (folder / "api").mkdir(parents=True, exist_ok=True)
    texts = ["# 7.1 A small page\n\nText.\n\n## A heading\n\nMore."]
    codes = [
        "from aigc_tutorial import config, environment\nfrom aigc_tutorial import cpu",
        uses_it,
    ]
    cells = [
        *(nbformat.v4.new_markdown_cell(t, id=f"cell-{i:03d}") for i, t in enumerate(texts)),
        *(nbformat.v4.new_code_cell(c, id=f"cell-{i:03d}") for i, c in enumerate(codes, 1)),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        }
    )
    write(folder / "07_1_small.ipynb", nbformat.writes(notebook))
    for module in ("cpu", "environment"):
        write(
            folder / "api" / f"{module}.md",
            f"# aigc_tutorial.{module}\n\n```{{eval-rst}}\n"
            f".. automodule:: aigc_tutorial.{module}\n   :members:\n```\n",
        )
    write(
        folder / "index.md",
        "# Book\n\n```{toctree}\n07_1_small\napi/cpu\napi/environment\n```\n",
    )
    return folder


def build(root: Path, uses_it: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, BeautifulSoup]:
    """Return the pages of the small book that were written; a warning is an error."""
    folder = small_book(root, uses_it)
    for module in (places, uses):
        monkeypatch.setattr(module, "BOOK", folder)
    places.places_of.cache_clear()
    written: list[str] = []
    with docutils_namespace():
        app = Sphinx(
            folder, None, root / "out", root / "trees", "html", SETTINGS,
            status=None, warningiserror=True,
        )  # fmt: skip
        app.connect("html-page-context", lambda app, name, *_: written.append(name))
        app.build()
    pages = [name for name in written if name.startswith(("0", "api/"))]
    return {
        name: BeautifulSoup((root / "out" / f"{name}.html").read_text("utf-8"), "html.parser")
        for name in pages
    }


def test_links_lead_from_the_page_to_the_reference_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = build(tmp_path, "cpu.tune_cpu()\nenvironment.Report.rows", monkeypatch)
    (fold,) = pages["07_1_small"].select("section > details.fold-uses")
    assert fold.summary is not None
    assert fold.summary.get_text().split() == [*uses.TITLE.split(), "2", "names"]
    lines = {
        p.select("strong")[0].text: [a["href"] for a in p.select("a")] for p in fold.select("p")
    }
    assert lines == {  # of a member its class
        "cpu": ["api/cpu.html#aigc_tutorial.cpu.tune_cpu"],
        "environment": ["api/environment.html#aigc_tutorial.environment.Report"],
    }
    assert [a.text for a in fold.select("a")] == ["tune_cpu", "Report"]
    assert len(pages["07_1_small"].select("#cell-002")) == 1
    (line,) = pages["api/cpu"].select('dl:has(> [id="aigc_tutorial.cpu.tune_cpu"]) p.uses')
    assert line.get_text() == "Used in 7.1"
    assert [a["href"] for a in line.select("a")] == ["../07_1_small.html#cell-002"]
    assert len(pages["api/cpu"].select("p.uses")) == 1, "no other entry is used"
    (report,) = pages["api/environment"].select('[id="aigc_tutorial.environment.Report"] + dd')
    assert len(report.select("p.uses")) == len(report.select(":scope > p.uses + dl.py")) == 1


def test_a_name_that_the_reference_lacks_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needing = [uses.needs_entry(f"aigc_tutorial.{n}") for n in ("cpu.tune_cpu", "cpu", "__file__")]
    assert needing == [True, False, False]
    with pytest.raises(SphinxWarning, match=r"cell-002 uses aigc_tutorial\.config\.to_json"):
        build(tmp_path, "config.to_json", monkeypatch)


def test_an_entry_is_found_by_the_module_of_its_function_too() -> None:
    entry = ObjectEntry("api/nn", "attend", "function", aliased=False)
    deep = "aigc_tutorial.nn.attention.attend"
    assert uses.find_entry(deep, {"aigc_tutorial.nn.attend": entry}) is entry
    other = "aigc_tutorial.training.train", "aigc_tutorial.attend"
    assert uses.find_entry(deep, dict.fromkeys(other, entry)) is None


def test_a_second_build_writes_what_a_changed_cell_changes_in_the_reference_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, "cpu.tune_cpu()", monkeypatch)
    assert build(tmp_path, "cpu.tune_cpu()", monkeypatch) == {}
    pages = build(tmp_path, "environment.require", monkeypatch)
    assert {"api/cpu", "api/environment", "07_1_small"} <= set(pages)
    assert pages["api/cpu"].select("p.uses") == []
    assert len(pages["api/environment"].select("p.uses")) == 1


@pytest.mark.built
def test_every_page_of_the_book_lists_what_it_uses() -> None:
    for path in sorted((ROOT / "book").glob("[0-9]*.ipynb")):
        names = uses.names_in(json.loads(path.read_text(encoding="utf-8"))["cells"])
        html = (HTML / f"{path.stem}.html").read_text(encoding="utf-8")
        assert ("fold-uses" in html) == bool(names), path.stem
    assert re.search(r'class="uses"', (HTML / "api" / "gan.html").read_text(encoding="utf-8"))
