"""Predict first: a question with a few choices, answered in the page without a kernel.

In the notebook it is Markdown that JupyterLab and Colab show as it stands, the answer folded:

    **Predict first.** Which of the two learns faster?

    1. The network with a memory.
    2. The network without.

    <details><summary>Answer</summary>

    **1.** It has to learn nothing twice.

    </details>

On the built page the choices are radio buttons, and a small script says whether the reader was
right and opens the answer. Without a script the fold opens by itself, as any other.
"""

import re
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from .folds import Fold

LOGGER = logging.getLogger(__name__)
OPENING = "Predict first."
SCRIPT, STYLE = "predict.js", "predict.css"
_RIGHT = re.compile(r"(\d+)\.")
WELL_FORMED = (
    '"**Predict first.**" begins a question; under it stand two to four numbered choices and '
    '"<details><summary>Answer</summary>", with an answer that begins with the number of the '
    'right choice, "**2.**"'
)


class Prediction(nodes.General, nodes.Element):  # type: ignore[misc]
    """A question: paragraph, ``Choice`` by choice, and the answer in a fold."""


class Choice(nodes.General, nodes.Element):  # type: ignore[misc]
    """A choice: its ``question``, its ``number`` from 1, and whether it is ``right``."""


def make_questions(app: Sphinx, doctree: nodes.document) -> None:
    """Turn every question of a page into radio buttons."""
    openings = [node for node in doctree.findall(nodes.paragraph) if is_question(node)]
    for number, paragraph in enumerate(openings, start=1):
        try:
            replace(paragraph, f"prediction-{number}")
        except ValueError as error:
            LOGGER.warning("%s", error, location=paragraph)


def is_question(paragraph: nodes.paragraph) -> bool:
    """Return whether a paragraph begins as a question does."""
    return bold_opening(paragraph) == OPENING


def bold_opening(paragraph: nodes.Node) -> str:
    """Return the bold words that a paragraph begins with, or nothing."""
    first = next((part for part in paragraph.children if part.astext()), None)  # MyST adds ""
    return first.astext() if isinstance(first, nodes.strong) else ""


def replace(paragraph: nodes.paragraph, name: str) -> None:
    """Put one question in the place of its Markdown.

    Raises:
        ValueError: It lacks its choices or its answer.
    """
    parent = paragraph.parent
    start = parent.index(paragraph)
    following = parent.children[start + 1 :]
    end = next((i for i, node in enumerate(following) if is_tag(node, "</details>")), 0)
    if end < 3 or not is_tag(following[1], "<details>"):
        raise ValueError(WELL_FORMED)
    choices, answer = following[0], following[2:end]
    right = _RIGHT.fullmatch(bold_opening(answer[0]))
    if not isinstance(choices, nodes.enumerated_list) or not 2 <= len(choices) <= 4 or not right:
        raise ValueError(WELL_FORMED)
    if not 1 <= int(right[1]) <= len(choices):
        raise ValueError(f"the answer names choice {right[1]} of {len(choices)}")
    paragraph["ids"].append(name)
    question = Prediction("", paragraph, name=name)
    for number, item in enumerate(choices.children, start=1):
        assert isinstance(item, nodes.list_item)
        question += Choice(
            "", *item.children, question=name, number=number, right=number == int(right[1])
        )
    question += nodes.raw("", '<p class="predict-verdict" role="status"></p>', format="html")
    question += Fold("", *answer, title="Answer", classes=["fold-answer"])
    parent.children[start : start + end + 2] = []
    parent.insert(start, question)


def is_tag(node: nodes.Node, tag: str) -> bool:
    """Return whether a node is raw HTML that begins with a tag."""
    return isinstance(node, nodes.raw) and node.astext().lstrip().startswith(tag)


def visit_html(self: HTML5Translator, node: Prediction) -> None:
    """Open the group of choices; the question is its name."""
    self.body.append(
        f'<div class="predict" role="radiogroup" aria-labelledby="{escape(node["name"])}">\n'
    )


def depart_html(self: HTML5Translator, node: Prediction) -> None:
    """Close the group."""
    self.body.append("</div>\n")


def visit_choice(self: HTML5Translator, node: Choice) -> None:
    """Open a choice and draw its button."""
    name, right = escape(node["question"]), " data-right" if node["right"] else ""
    self.body.append(
        f'<label class="predict-choice"{right}><input type="radio" name="{name}" '
        f'value="{node["number"]}" autocomplete="off"><span>{node["number"]}. '
    )
    for child in node.children:  # a paragraph has no place in a label
        if isinstance(child, nodes.paragraph):
            for part in child.children:
                part.walkabout(self)
    self.body.append("</span></label>\n")
    raise nodes.SkipNode


def pass_through(self: Any, node: nodes.Element) -> None:
    """Write the words and nothing else, where there is no browser."""


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the script on the pages that ask, and on no other."""
    if doctree is not None and next(doctree.findall(Prediction), None) is not None:
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the nodes, and connect to Sphinx."""
    text = (pass_through, pass_through)
    app.add_node(Prediction, html=(visit_html, depart_html), text=text)
    app.add_node(Choice, html=(visit_choice, None), text=text)
    app.connect("doctree-read", make_questions)
    app.add_css_file(STYLE)
    app.connect("html-page-context", add_script)
