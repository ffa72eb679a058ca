"""The book's own search: sections instead of pages, words where they stand, chapters first.

When a page is written, its sections are set down beside its doctree: title, anchor, words. When the
build ends they are put together in ``search-sections.js``, which the search page loads and no other
does. It is a script, because a page opened from a folder may not read files. ``search.js`` ranks
the sections: that which introduces a term of the glossary comes first for it. ``search-marks.js``
marks the words on the page that a reader lands on.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from .folds import Fold
from .glossary import read_glossary
from .places import find_place
from .repository import BOOK

SYNONYMS = BOOK / "search_words.yml"
SECTIONS = "search-sections.js"
PAGE_SCRIPT = "search-marks.js"
# Kinds in the order in which a reader wants them.
CHAPTER, AIDS, FRONT, REFERENCE, BIBLIOGRAPHY = range(5)
AIDS_PAGES = {"09_faq", "glossary"}
ABOUT_THE_BOOK = {"course", "figure_index", "in_numbers", "our_errata"}
# What is no text of a section: formulas as TeX, what is never shown.
LEFT_OUT = (nodes.raw, nodes.math, nodes.math_block, nodes.Invisible, nodes.image)
BLOCKS = (
    nodes.paragraph,
    nodes.caption,
    nodes.literal_block,
    nodes.entry,
    nodes.term,
    nodes.field_name,
    addnodes.desc_sig_element,
    addnodes.desc_parameter,
    addnodes.desc_signature,
)


def kind_of(docname: str, root: str) -> int:
    """Return which kind of page this is."""
    folder, _, name = docname.rpartition("/")
    if docname == root or name in ABOUT_THE_BOOK:
        return FRONT
    if name == "references":
        return BIBLIOGRAPHY
    if name in AIDS_PAGES:
        return AIDS
    return REFERENCE if folder.endswith("api") else CHAPTER


def is_output(node: nodes.Node) -> bool:
    """Return whether a node is what a cell printed or drew."""
    return isinstance(node, nodes.container) and "cell_output" in node.get("classes", [])


def is_evidence(node: nodes.Node) -> bool:
    """Return whether a node holds what others asked, in their words."""
    return isinstance(node, Fold) and "fold-asked" in node["classes"]


def place_of(node: nodes.Node) -> tuple[str, str] | None:
    """Return anchor and title of what a search can land on, nothing for other nodes.

    These are sections, terms, entries of the reference, errata and works of the bibliography.
    """
    if isinstance(node, nodes.section) and node["ids"]:
        title = next(iter(node.findall(nodes.title)), None)
        return node["ids"][0], title.astext() if title is not None else ""
    if isinstance(node, nodes.definition_list_item):
        terms = [term for term in node.findall(nodes.term) if term["ids"]]
        return (terms[0]["ids"][0], ", ".join(t.astext() for t in terms)) if terms else None
    if isinstance(node, addnodes.desc):
        signature = next(iter(node.findall(addnodes.desc_signature)), None)
        if signature is not None and signature["ids"]:
            return signature["ids"][0], str(signature.get("fullname") or signature["ids"][0])
        return None
    if isinstance(node, nodes.container) and "erratum" in node.get("classes", []):
        return node["ids"][0], f"Erratum {node['ids'][0].rpartition('-')[2]}"
    if isinstance(node, nodes.citation) and node["ids"]:
        text = node.children[-1].astext()
        return node["ids"][0], text if len(text) < 90 else f"{text[:88].rsplit(' ', 1)[0]} …"
    return None


def sections(doctree: nodes.document) -> list[dict[str, str]]:
    """Return a page's places, in their order: ``anchor``, ``title``, ``text`` and ``code``.

    A section's text is its own; what stands in a section inside it belongs to that one.
    """
    found: list[dict[str, str]] = []
    texts: list[dict[str, list[str]]] = []

    def walk(node: nodes.Node, current: int, field: str) -> None:
        if isinstance(node, LEFT_OUT) or is_evidence(node):
            return
        if is_output(node):  # of what a cell shows, the captions are words of ours
            for caption in node.findall(nodes.caption):
                walk(caption, current, "text")
            return
        place = place_of(node)
        if place is not None:
            found.append({"anchor": place[0], "title": place[1]})
            texts.append({"text": [], "code": []})
            current = len(found) - 1
        if isinstance(node, nodes.Text):
            if current >= 0:
                texts[current][field].append(str(node))
            return
        if isinstance(node, nodes.literal_block | addnodes.desc_signature):
            field = "code"
        for child in node.children:
            if not isinstance(child, nodes.title):
                walk(child, current, field)
        if isinstance(node, BLOCKS) and current >= 0:
            texts[current][field].append(" ")  # words of two paragraphs are two words

    walk(doctree, -1, "text")
    for entry, parts in zip(found, texts, strict=True):
        entry |= {name: re.sub(r"\s+", " ", "".join(text)).strip() for name, text in parts.items()}
    return found


def sidecar(app: Sphinx, docname: str) -> Path:
    """Return the file beside a page's doctree that holds the page's sections."""
    return Path(app.doctreedir, f"{docname}.sections.json")


def collect(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Set a page's sections down when it is written."""
    if app.builder.format == "html":
        path = sidecar(app, docname)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sections(doctree), ensure_ascii=False), encoding="utf-8")


def read_synonyms(path: Path = SYNONYMS) -> list[list[str]]:
    """Return groups of words that mean the same to one who searches."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [[str(word) for word in group] for group in groups]


def introductions() -> dict[tuple[str, str], list[str]]:
    """Return the glossary's terms by page and anchor of the section that introduces them.

    The anchors are those of the built page; of a code cell it is that of the heading above.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for term, entry in read_glossary().items():
        place = find_place(entry["introduced"])
        found.setdefault((place.page, nodes.make_id(place.heading)), []).extend([term, entry["zh"]])
    return found


def entries(app: Sphinx) -> Iterator[dict[str, Any]]:
    """Yield each page with its kind, title and sections, in the order of the table of contents."""
    introduced = introductions()
    for docname in toc_order(app):
        path = sidecar(app, docname)
        if path.is_file():
            page = docname.rpartition("/")[2]
            places = json.loads(path.read_text(encoding="utf-8"))
            for place in places:
                if terms := introduced.get((page, place["anchor"])):
                    place["defines"] = terms
            yield {
                "page": app.builder.get_target_uri(docname),
                "title": app.env.titles[docname].astext(),
                "kind": kind_of(docname, app.config.root_doc),
                "sections": places,
            }


def toc_order(app: Sphinx) -> list[str]:
    """Return the pages as a reader meets them."""
    order = list(app.env.collect_relations())
    return [app.config.root_doc, *(name for name in order if name != app.config.root_doc)]


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Put all pages' sections together in one script."""
    if exception is not None or app.builder.format != "html":
        return
    index = {"pages": list(entries(app)), "synonyms": read_synonyms()}
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    Path(app.outdir, "_static", SECTIONS).write_text(
        f"bookSearch.start({text});\n", encoding="utf-8"
    )


def leave_sphinx_search(app: Sphinx) -> None:
    """Do without Sphinx's index: ours takes its place, and no page has to load it."""
    if app.builder.format == "html":
        app.builder.search = False  # type: ignore[attr-defined]


def search_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Write the search page, which Sphinx leaves out with its index."""
    yield "search", {"title": "Search"}, "search.html"


def drop_sphinx_highlight(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Take out Sphinx's script that marks words: it looks for what this theme does not have."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "sphinx_highlight.js" not in str(getattr(script, "filename", None) or script)
    ]


def setup(app: Sphinx) -> None:
    """Connect collecting, writing and the search page to the build."""
    app.connect("builder-inited", leave_sphinx_search)
    app.connect("doctree-resolved", collect)
    app.connect("html-collect-pages", search_page)
    app.connect("html-page-context", drop_sphinx_highlight, priority=900)
    app.connect("build-finished", write_index)
    app.add_js_file(PAGE_SCRIPT, loading_method="defer")
