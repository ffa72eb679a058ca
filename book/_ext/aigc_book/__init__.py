"""The book's own Sphinx extension: what Jupyter Book does not bring.

- ``execution_cache``: notebooks run again when the package changes, and only then;
- ``processes``: pages are written several at a time;
- ``rebuilds``: pages are written again when a style sheet changes;
- ``javascript``: MathJax, fetched once;
- ``formulas``: TeX, typeset while the book is built;
- ``page_scripts``: which scripts a page loads, and in which order;
- ``page_assets``, ``pictures``, ``sounds``, ``theme_files``: what is not used is not loaded, and
  nothing jumps;
- ``style_sheets``: one for all pages, with the rules that they use;
- ``page_head``, ``markup``: a page's face elsewhere, and for those who do not see it;
- ``search``: sections found by their words;
- ``citations``: labels of works;
- ``explorers``: widgets and films as plain HTML, which one small script moves;
- ``page_order``, ``cell_code``, ``folds``: results first, the code behind them folded;
- ``figures``: numbers, captions, and forms for a phone and the dark;
- ``printed_warnings``: a data set's substitute told in a sentence, any other warning an error;
- ``exercise_note``: where exercises can be run;
- ``predict``: questions that answer in the page;
- ``report_links``: what an issue about an equation, a figure or a cell is filled in with;
- ``docstrings``: what Napoleon would take apart in the reference pages;
- ``places``: headings and cells that a link may lead to;
- ``uses``: what the pages use of the package, there and in the reference;
- ``package_map``: the subpackages and their imports, drawn;
- ``mermaid``, ``budget``, ``reading_paths``, ``errata``, ``our_errata``, ``figure_index``,
  ``book_numbers``, ``verified``, ``equations``, ``resources``, ``faq``,
  ``glossary``, ``coverage``: what an author writes.

``CONTRIBUTING.md``, "Writing a page", shows how to use each.
"""

from typing import Any

from sphinx.application import Sphinx

from . import (
    book_numbers,
    budget,
    citations,
    coverage,
    docstrings,
    equations,
    errata,
    execution_cache,
    exercise_note,
    explorers,
    faq,
    figure_index,
    figures,
    folds,
    formulas,
    glossary,
    javascript,
    markup,
    mermaid,
    our_errata,
    package_map,
    page_assets,
    page_head,
    page_order,
    page_scripts,
    pictures,
    places,
    predict,
    printed_warnings,
    processes,
    reading_paths,
    rebuilds,
    report_links,
    resources,
    search,
    sounds,
    source_links,
    style_sheets,
    theme_files,
    uses,
    verified,
)

PARTS = (
    execution_cache, rebuilds, javascript, formulas, page_scripts, page_head, markup, search,
    citations, explorers, docstrings, source_links, mermaid, budget, reading_paths, errata,
    our_errata, figure_index, book_numbers, verified, equations, resources, faq, glossary,
    coverage, places, pictures, sounds, page_assets, theme_files, style_sheets, uses, package_map,
    folds, page_order, figures, printed_warnings, predict, exercise_note, report_links, processes,
)  # fmt: skip


def setup(app: Sphinx) -> dict[str, Any]:
    """Register every part with Sphinx."""
    for part in PARTS:
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
