"""No warning stands in a published page: a data set's substitute is told in a sentence.

Pages are executed without a network, so some show less data than a reader may have; the package
warns of that. The warning leaves the cell, and one sentence with the same facts goes under the
page's budget. Anything else that a cell wrote to its standard error fails the build.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
FALLBACK = re.compile(
    r"\S*:\d+: DataFallbackWarning: (?P<data>.+?) could not be found or downloaded; "
    r"using (?P<substitute>.+?)\. Expect other numbers than with (?P<whole>[^.]+)\..*"
)
_SOME_OF = re.compile(r"(?P<n>[\d,]+) (?P<of>of .+)")


def replace_warnings(app: Sphinx, doctree: nodes.document) -> None:
    """Take standard error out of a page's cells, and say what it said of the page's data."""
    substitutes: dict[tuple[str, str], list[str]] = {}
    for printed in list(doctree.findall(is_standard_error)):
        for line in printed.astext().strip().splitlines():
            if found := FALLBACK.fullmatch(line.strip()):
                used = substitutes.setdefault((found["data"], found["whole"]), [])
                used += [found["substitute"]] if found["substitute"] not in used else []
            else:
                cell = cell_of(printed)
                LOGGER.warning(
                    "cell %s wrote to its standard error: %s", cell, line, location=printed
                )
        remove(printed)
    if substitutes:
        put_near_top(doctree, note(substitutes))


def is_standard_error(node: nodes.Node) -> bool:
    """Return whether a node is what a cell wrote to its standard error."""
    return isinstance(node, nodes.literal_block) and "stderr" in node["classes"]


def cell_of(node: nodes.Node) -> str:
    """Return the number of the cell that a node stands in, counted from 0."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.Element) and "cell_index" in node:
            return str(node["cell_index"])
    return "?"


def remove(printed: nodes.Node) -> None:
    """Take a text out of its output, and the output with it if nothing else is there."""
    output = printed.parent
    output.remove(printed)
    if not output.children and output.get("nb_element") == "cell_code_output":
        output.parent.remove(output)


def note(substitutes: dict[tuple[str, str], list[str]]) -> nodes.paragraph:
    """Return the paragraph that says which data this page was made from."""
    text = "This page was built without a network."
    for (data, whole), used in substitutes.items():
        name = re.sub("^The ", "the ", data)
        text += f" For {name} it uses {in_words(used)}; with {whole} its numbers differ."
    paragraph = nodes.paragraph("", "", classes=["data-note"])
    paragraph += [nodes.strong("", "Data"), nodes.Text(f" {text}")]
    return paragraph


def in_words(substitutes: list[str]) -> str:
    """Return several substitutes for one data set as one phrase.

    >>> in_words(["4,000 of the digits", "1,000 of the digits"])
    '4,000 and 1,000 of the digits'
    """
    parts = [_SOME_OF.fullmatch(text) for text in substitutes]
    ends = {found["of"] for found in parts if found}
    if all(parts) and len(ends) == 1:
        return f"{' and '.join(found['n'] for found in parts if found)} {ends.pop()}"
    return " and ".join(substitutes)


def put_near_top(doctree: nodes.document, paragraph: nodes.paragraph) -> None:
    """Put a paragraph into the page's budget, or under its title where there is no budget."""
    budgets = (n for n in doctree.findall(nodes.container) if "budget" in n["classes"])
    if (budget := next(budgets, None)) is not None:
        budget.append(paragraph)
        return
    title = next(iter(doctree.findall(nodes.title)), None)
    parent, index = (title.parent, title.parent.index(title) + 1) if title else (doctree, 0)
    parent.insert(index, paragraph)


def setup(app: Sphinx) -> None:
    """Connect before the page is put in its order."""
    app.connect("doctree-read", replace_warnings, priority=300)
