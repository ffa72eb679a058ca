"""What the extension does for readers: search, labels of works, markup, ways through the book."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from aigc_book import budget, citations, folds, markup, reading_paths, search, source_links
from aigc_book.repository import BOOK
from docutils import nodes
from docutils.utils import new_document
from pybtex.database import Entry, Person, parse_file


def section(anchor: str, title: str, *children: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", title), *children, ids=[anchor])


def document(*children: nodes.Node) -> nodes.document:
    whole = new_document("a test")
    whole += list(children)
    return whole


def test_a_sections_words_are_its_own() -> None:
    inner = section("tail", "Cutting the tail", nodes.paragraph("", "Keep top-p."))
    outer = section(
        "page", "3.2.2", nodes.paragraph("", "One."), nodes.paragraph("", "Two."), inner
    )
    assert search.sections(document(outer)) == [
        {"anchor": "page", "title": "3.2.2", "text": "One. Two.", "code": ""},
        {"anchor": "tail", "title": "Cutting the tail", "text": "Keep top-p.", "code": ""},
    ]


def test_of_outputs_captions_are_searched_formulas_are_not_and_code_is_apart() -> None:
    figure = nodes.figure("", nodes.caption("", "Figure 1 Two heaps"))
    output = nodes.container(
        "", nodes.literal_block("", "loss 0.69"), figure, classes=["cell_output"]
    )
    code = nodes.literal_block("", "gan.train()")
    formula = nodes.math_block("", "\\log D(x)")
    found = search.sections(document(section("run", "Run it", code, output, formula)))
    assert found == [
        {"anchor": "run", "title": "Run it", "text": "Figure 1 Two heaps", "code": "gan.train()"}
    ]


def test_an_erratum_is_a_place_of_its_own() -> None:
    box = nodes.container(
        "", nodes.paragraph("", "It is 4."), ids=["erratum-E7"], classes=["erratum"]
    )
    assert search.sections(document(section("a", "A", box)))[1]["title"] == "Erratum E7"


def test_a_term_is_a_place_of_its_own_under_all_its_names() -> None:
    names = [
        nodes.term("", "mode collapse", ids=["term-1"]),
        nodes.term("", "模式坍塌", ids=["t2"]),
    ]
    meaning = nodes.definition("", nodes.paragraph("", "Few kinds."))
    entry = nodes.definition_list_item("", *names, meaning)
    found = search.sections(document(section("a", "A", nodes.definition_list("", entry))))
    assert (found[1]["anchor"], found[1]["title"]) == ("term-1", "mode collapse, 模式坍塌")
    assert found[1]["text"].endswith("Few kinds.")


def test_what_others_asked_is_not_searched() -> None:
    asked = folds.Fold("", nodes.paragraph("", "Why???"), title="Asked", classes=["fold-asked"])
    answer = nodes.paragraph("", "Because.")
    assert search.sections(document(section("a", "A", answer, asked)))[0]["text"] == "Because."


@pytest.mark.parametrize(
    ("docname", "kind"),
    [
        ("book/index", search.FRONT),
        ("book/our_errata", search.FRONT),
        ("book/03_1_overview", search.CHAPTER),
        ("book/09_faq", search.AIDS),
        ("book/glossary", search.AIDS),
        ("book/api/gan", search.REFERENCE),
        ("book/api/index", search.REFERENCE),
        ("book/references", search.BIBLIOGRAPHY),
    ],
)
def test_kinds_of_pages(docname: str, kind: int) -> None:
    assert search.kind_of(docname, "book/index") == kind


def test_a_section_knows_the_terms_that_it_introduces() -> None:
    introduced = search.introductions()
    clouds = "how-far-apart-are-two-clouds-the-frechet-distance"
    assert set(introduced["05_4_results", clouds]) >= {"Fréchet distance", "弗雷歇距离"}
    # MyST calls it adams-memory
    assert "Adam" in introduced["05_2_implementation", "adam-s-memory"]


def test_words_that_mean_the_same_are_groups_of_at_least_two() -> None:
    groups = search.read_synonyms()
    assert all(len(set(group)) == len(group) >= 2 for group in groups)


def work(*people: str, year: str = "2014", title: str = "A title") -> Entry:
    return Entry("article", {"year": year, "title": title}, {"author": [Person(p) for p in people]})


def test_labels_name_authors_and_year() -> None:
    style = citations.AuthorYearLabels()
    works = [
        work("Mikolov, Tomáš", "Karafiát, Martin", "Burget, Lukáš", year="2010"),
        work("Martin Arjovsky", "Léon Bottou", year="2017"),
        work("van den Oord, Aäron", year="2016"),
        work("van den Oord, Aäron", year="2016", title="Another"),
        work('G{\\"o}del, Kurt', year="1931"),
    ]
    assert list(style.format_labels(works)) == [
        "Mikolov et al., 2010",
        "Arjovsky and Bottou, 2017",
        "van den Oord, 2016a",
        "van den Oord, 2016b",
        "Gödel, 1931",
    ]


def test_a_work_without_authors_is_named_by_its_title() -> None:
    assert citations.names(work(title="The MNIST database")) == "The MNIST database"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<th class="head"><p></p></th>', '<td class="head"></td>'),
        ("<th></th>", "<td></td>"),
        ('<th scope="col" style="a: b"></th>', '<td style="a: b"></td>'),
        ("<th>loss</th>", "<th>loss</th>"),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        (
            '<div class="citation" id="id4" role="doc-biblioentry">',
            '<div class="citation" id="id4" role="listitem">',
        ),
        (
            '<dl>\n<dd><em class="sig-param">a</em>,</dd>\n</dl>',
            '<span class="sig-lines">\n'
            '<span class="sig-line"><em class="sig-param">a</em>,</span>\n</span>',
        ),
    ],
)
def test_markup_is_mended(before: str, after: str) -> None:
    assert markup.mend(before) == after


def test_links_from_source_lead_to_the_name_that_the_reference_has() -> None:
    objects = {"p.ar.Config": 1, "p.ar.generation.sampling.draw": 1, "p.nn.mixin.M.sample": 1}
    known = source_links.known_anchor
    assert (
        known("p.ar.generation.sampling", "p.ar.draw", objects) == "p.ar.generation.sampling.draw"
    )
    assert known("p.ar.generation.sampling", "p.ar.Config", objects) == "p.ar.Config"
    assert known("p.nn.mixin", "p.nn.M.sample", objects) == "p.nn.mixin.M.sample"
    assert known("p.ar.generation.sampling", "p.ar.hidden", objects) is None


def test_words_are_counted_without_code_formulas_and_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat

    text = "Two words. $x_{t}$ and `code` [three more words](there)\n```{budget}\n```\n$$ a b c $$"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("not = 'read'")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    monkeypatch.setattr(reading_paths, "BOOK", tmp_path)
    assert reading_paths.n_words("page") == 6


def test_a_way_adds_up_words_and_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_paths, "n_words", {"a": 9_600, "b": 4_800}.__getitem__)
    times = {"a": {"offline": {"seconds": 90}}, "b": {"offline": {"seconds": 30}}}
    monkeypatch.setattr(reading_paths, "read_budgets", lambda: times)
    assert reading_paths.cost(["a", "b"]) == (
        "2 pages, 14,000 words: 2 h at 120 words a minute, and 2 min of computing"
    )


def test_a_description_leaves_the_budget_out() -> None:
    assert isinstance(budget.box([("Time", "3 s")], "Measured."), nodes.Admonition)


def test_sphinx_writes_no_index_of_its_own() -> None:
    app = SimpleNamespace(builder=SimpleNamespace(format="html", search=True))
    search.leave_sphinx_search(app)  # type: ignore[arg-type]
    assert app.builder.search is False


def test_every_reference_is_read() -> None:
    """One bracket too few would be told at the end of a build, after the pages have run."""
    path = BOOK / "references.bib"
    n_written = len(re.findall(r"^@", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(parse_file(str(path)).entries) == n_written > 100
