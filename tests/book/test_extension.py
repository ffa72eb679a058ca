"""The book's Sphinx extension: hashes, locks, and what its directives read."""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path
from types import SimpleNamespace

import draw_diagrams
import pytest
from aigc_book import (
    budget,
    docstrings,
    equations,
    errata,
    execution_cache,
    javascript,
    mermaid,
    rebuilds,
)
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

MATHJAX = javascript.LIBRARIES[0]


def make_archive(folder: Path, names: list[str]) -> Path:
    path = folder / "some-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return path


def make_repository(root: Path) -> Path:
    (root / "aigc_tutorial" / "__pycache__").mkdir(parents=True)
    (root / "aigc_tutorial" / "a.py").write_text("x = 1\n")
    (root / "constraints.txt").write_text("numpy==2.0\n")
    return root


def test_hash_changes_with_package_and_pins_alone(tmp_path: Path) -> None:
    root = make_repository(tmp_path)
    before = execution_cache.package_hash(root)
    (root / "aigc_tutorial" / "__pycache__" / "a.pyc").write_bytes(b"other")
    (root / "README.md").write_text("other")
    assert execution_cache.package_hash(root) == before
    (root / "constraints.txt").write_text("numpy==2.1\n")
    with_pins = execution_cache.package_hash(root)
    assert with_pins != before
    (root / "aigc_tutorial" / "a.py").rename(root / "aigc_tutorial" / "b.py")
    assert execution_cache.package_hash(root) not in {before, with_pins}


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book's folder with a style sheet and a part of the extension."""
    monkeypatch.setattr(rebuilds, "BOOK", tmp_path)
    for name in ("_static/book.css", "_templates/layout.html", "_ext/aigc_book/part.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("as it was")
    return tmp_path


def digests() -> tuple[str, str]:
    config = Config()
    config.add("aigc_around", "", "html", str)
    config.add("aigc_extension", "", "env", str)
    rebuilds.note_digests(SimpleNamespace(), config)  # type: ignore[arg-type]
    return config.aigc_around, config.aigc_extension


@pytest.mark.parametrize("name", ["_static/book.css", "_templates/layout.html", "_static/new.js"])
def test_what_stands_around_a_page_changes_one_setting(around: Path, name: str) -> None:
    before = digests()
    assert digests() == before
    (around / name).write_text("new")
    after = digests()
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_the_extension_changes_the_other_and_its_cache_none(around: Path) -> None:
    before = digests()
    (around / "_ext" / "__pycache__").mkdir()
    (around / "_ext" / "__pycache__" / "part.pyc").write_bytes(b"x")
    assert digests() == before
    (around / "_ext" / "aigc_book" / "part.py").write_text("new")
    assert digests()[0] == before[0]
    assert digests()[1] != before[1]


def test_listings_are_written_again_when_what_pages_are_made_with_changes(tmp_path: Path) -> None:
    def build(around: str) -> bool:
        """Whether a listing is still there as a build begins."""
        config = SimpleNamespace(aigc_around=around, aigc_extension="e")
        app = SimpleNamespace(outdir=tmp_path, config=config)
        rebuilds.forget_listings(app)  # type: ignore[arg-type]
        listing = tmp_path / rebuilds.LISTINGS / "gan.html"
        was_there = listing.is_file()
        listing.write_text("<p>listing</p>")
        return was_there

    assert [build(around) for around in ("1", "1", "2", "2")] == [False, True, False, True]


def test_a_second_build_after_a_change_of_a_style_sheet_writes_the_pages_again(
    tmp_path: Path, around: Path
) -> None:
    """Sphinx itself, on a book of one page; Jupyter Book asks it in the same way."""
    source, static = tmp_path / "source", around / "_static"
    source.mkdir()
    (source / "index.rst").write_text("Title\n=====\n")

    def build() -> tuple[str, str]:
        app = Sphinx(
            source, None, tmp_path / "out", tmp_path / "trees", "html",
            confoverrides={
                "extensions": ["aigc_book.rebuilds"],
                "html_static_path": [str(static)],
                "html_css_files": ["book.css"],
            },
            status=None,
        )  # fmt: skip
        app.build()
        page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
        (link,) = re.findall(r'href="(_static/book\.css[^"]*)"', page)
        return link, (tmp_path / "out" / "_static" / "book.css").read_text(encoding="utf-8")

    first = build()
    assert build() == first
    (static / "book.css").write_text("p { color: red }")
    link, sheet = build()
    assert sheet == "p { color: red }"
    assert link != first[0]


def test_unpack_writes_what_the_book_uses_and_nothing_else(tmp_path: Path) -> None:
    names = ["package/output/chtml.js", "package/sre/mathmaps/en.json", "package/README.md"]
    target = tmp_path / "target"
    target.mkdir()
    javascript.unpack(make_archive(tmp_path, names), MATHJAX, target)
    written = [p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()]
    assert written == ["output/chtml.js"]


def test_archive_without_wanted_files_is_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, ["package/README.md"])
    with pytest.raises(javascript.JavaScriptError, match="none of the files"):
        javascript.unpack(archive, MATHJAX, tmp_path / "target")


def test_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, ["package/../../../evil/input/tex/extensions/a.js"])
    target = tmp_path / "cache" / "target"
    target.mkdir(parents=True)
    with pytest.raises(javascript.JavaScriptError):
        javascript.unpack(archive, MATHJAX, target)
    assert list(tmp_path.rglob("a.js")) == []


def test_wrong_sum_is_refused_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path, ["package/output/chtml.js"])
    monkeypatch.setattr(javascript, "fetch_archive", lambda *_: archive)
    cache = tmp_path / "cache"
    with pytest.raises(javascript.JavaScriptError, match="not the one in"):
        javascript.ensure_library(MATHJAX, "1.0.0", "0" * 128, cache)
    assert list(cache.iterdir()) == []
    right = hashlib.sha512(archive.read_bytes()).hexdigest()
    folder = javascript.ensure_library(MATHJAX, "1.0.0", right, cache)
    assert (folder / "output" / "chtml.js").read_bytes() == b"abc"


def test_cached_library_needs_no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path, ["package/output/chtml.js"])
    monkeypatch.setattr(javascript, "fetch_archive", lambda *_: archive)
    right = hashlib.sha512(archive.read_bytes()).hexdigest()
    first = javascript.ensure_library(MATHJAX, "1.0.0", right, tmp_path / "cache")

    def refuse(*_: object) -> Path:
        raise AssertionError("asked for the network")

    monkeypatch.setattr(javascript, "fetch_archive", refuse)
    assert javascript.ensure_library(MATHJAX, "1.0.0", right, tmp_path / "cache") == first


def test_of_two_processes_that_unpack_at_once_the_second_takes_what_the_first_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path, ["package/output/chtml.js"])
    right = hashlib.sha512(archive.read_bytes()).hexdigest()
    cache = tmp_path / "cache"
    folders: list[Path] = []

    def fetch_while_another_does(*_: object) -> Path:
        if not folders:
            folders.append(Path())  # the inner call is the other process
            folders[0] = javascript.ensure_library(MATHJAX, "1.0.0", right, cache)
        return archive

    monkeypatch.setattr(javascript, "fetch_archive", fetch_while_another_does)
    assert javascript.ensure_library(MATHJAX, "1.0.0", right, cache) == folders[0]
    assert [folder.name for folder in cache.iterdir()] == [folders[0].name]
    assert (folders[0] / "output" / "chtml.js").read_bytes() == b"abc"


def test_lock_names_exact_versions_of_all_libraries() -> None:
    lock = json.loads(javascript.LOCK.read_text(encoding="utf-8"))
    libraries = (*javascript.LIBRARIES, javascript.MERMAID, javascript.AXE)
    assert set(lock) == {library.package for library in libraries}
    for entry in lock.values():
        assert set(entry) == {"version", "sha512"}
        assert len(entry["sha512"]) == 128
        assert all(part.isdecimal() for part in entry["version"].split("."))


def test_equation_tests_are_found_by_their_marks(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "equations"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text(
        "import pytest\n\n"
        '@pytest.mark.equation("one", "two")\n'
        "def test_both(): ...\n\n"
        '@pytest.mark.parametrize("x", [1])\n'
        "def test_without(x): ...\n"
    )
    found = equations.equation_tests(folder)
    assert found == {
        "one": ("tests/equations/test_a.py", 4),
        "two": ("tests/equations/test_a.py", 4),
    }


@pytest.mark.parametrize("what", ["attribute", "data", "property"])
def test_a_sentence_with_a_colon_stays_whole(what: str) -> None:
    sentence = "The token between a sequence and its copy: the last of the vocabulary."
    lines = [sentence]
    docstrings.keep_whole(None, what, "separator", None, None, lines)  # type: ignore[arg-type]
    shown = GoogleDocstring(lines, what=what, name="separator").lines()
    assert [line for line in shown if line] == ["..", sentence]  # the comment shows nothing


def test_a_package_has_the_docstrings_of_the_constants_that_it_passes_on() -> None:
    docstrings.pass_on(None)  # type: ignore[arg-type]
    of_the_package = ModuleAnalyzer.for_module("aigc_tutorial.data").find_attr_docs()
    (line, *_) = of_the_package["", "WEEKDAYS"]
    assert line.startswith("The names of the weekdays")


def test_errata_with_a_missing_key_or_a_double_number_are_refused(tmp_path: Path) -> None:
    entry = "{id: E1, section: '1', lines: '2', page: p, says: s, right: r}"
    path = tmp_path / "errata.yml"
    path.write_text(f"- {entry}\n")
    assert set(errata.read_errata(path)) == {"E1"}
    path.write_text(f"- {entry}\n- {entry}\n")
    with pytest.raises(ValueError, match="E1 occurs twice"):
        errata.read_errata(path)
    path.write_text("- {id: E1, says: s}\n")
    with pytest.raises(ValueError, match="expected"):
        errata.read_errata(path)


def test_errata_are_listed_by_section_in_the_order_of_the_document() -> None:
    entries = {
        "E1": {"id": "E1", "section": "3.2.1, 10.1"},
        "E2": {"id": "E2", "section": "3.2"},
        "E3": {"id": "E3", "section": "3.2.1"},
    }
    listed = errata.by_section(entries)
    assert list(listed) == ["3.2", "3.2.1", "10.1"]
    assert listed == {"3.2": ["E2"], "3.2.1": ["E1", "E3"], "10.1": ["E1"]}


@pytest.mark.parametrize(
    ("page", "number"),
    [("01_background", "1"), ("04_2_1_gan_math", "4.2.1"), ("10_errata", "10")],
)
def test_a_page_is_called_by_the_number_in_its_name(page: str, number: str) -> None:
    assert errata.page_number(page) == number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (42.4, "42 s"), (89, "89 s"), (90, "2 min"), (600, "10 min")],
)
def test_durations_read_as_a_reader_says_them(seconds: float, text: str) -> None:
    assert budget.duration(seconds) == text


def measured_run(seconds: float, day: str) -> dict[str, object]:
    return {"seconds": seconds, "peak_memory_mib": 900, "date": day, "machine": "two cores"}


def test_a_budget_says_for_which_condition_it_was_measured() -> None:
    alone = {"offline": measured_run(40, "2026-11-02")}
    assert budget.measured(alone) == "Measured on 2 November 2026: two cores."
    both = {**alone, "full": measured_run(50, "2026-11-02")}
    assert budget.measured(both) == (
        "Measured without a network and with the real data on 2 November 2026: two cores."
    )
    later = {**alone, "full": measured_run(50, "2026-11-03")}
    assert budget.measured(later) == (
        "Measured without a network on 2 November 2026: two cores. "
        "Measured with the real data on 3 November 2026: two cores."
    )


def test_a_budget_shows_both_conditions_where_they_differ() -> None:
    both = {"offline": measured_run(40, "2026-11-02"), "full": measured_run(50, "2026-11-02")}
    seconds = budget.in_both(both, lambda run: budget.duration(run["seconds"]))
    assert seconds == "40 s (50 s with the real data)"
    assert budget.in_both(both, lambda run: f"{run['peak_memory_mib']} MiB") == "900 MiB"


def test_every_diagram_has_its_drawing_and_every_drawing_its_diagram() -> None:
    """`make diagrams` draws what is lacking and removes what is not needed any more."""
    wanted = {mermaid.drawing_of(code) for code in draw_diagrams.diagrams()}
    assert set(mermaid.FOLDER.iterdir()) == wanted


def test_a_fence_is_read_as_the_directive_gets_it() -> None:
    text = "Before.\n\n```{mermaid}\n:alt: two boxes\n\nflowchart LR\n  a --> b\n```\n\nAfter."
    assert list(mermaid.read_fence(text)) == ["flowchart LR\n  a --> b"]
