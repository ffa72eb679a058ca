"""The ``faq`` directive: questions that people ask in public, each answered in a few lines.

``book/faq.yml`` holds them. ``{faq} losses`` shows those of one group, each as a section with the
anchor ``question-…``: the answer, the places of the book that show it, and folded, the public
threads in which it was asked. To link to one from any page: ``{ref}`question-when-to-stop```.

Question and answer stand under their language, so that a translation stands beside them; what does
not depend on the language stands once.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective

from .folds import Fold
from .places import Place, find_place
from .repository import BOOK

FAQ = BOOK / "faq.yml"
KEYS = {"id", "group", "shown_in", "asked_in"}
TEXTS = {"question", "answer"}
LANGUAGE = re.compile(r"[a-z]{2}")
# What the page says of places and threads, by language.
WORDS = {"en": {"shown": "Shown in", "asked": "Asked in {n} public threads, among others"}}
THREAD = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)")


def read_faq(path: Path = FAQ) -> dict[str, dict[str, Any]]:
    """Return the questions by their id, in their order.

    Raises:
        ValueError: A question lacks something, has something unknown, or an id occurs twice.
    """
    questions: dict[str, dict[str, Any]] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        languages = {key for key in entry if LANGUAGE.fullmatch(str(key)) and key != "id"}
        if set(entry) - languages != KEYS or not languages:
            raise ValueError(
                f"{path.name}: a question has the keys {sorted(map(str, entry))}, expected "
                f"{sorted(KEYS)} and at least one language, as in `en`"
            )
        for language in languages:
            if set(entry[language]) != TEXTS:
                raise ValueError(
                    f"{path.name}: {entry['id']} has {sorted(entry[language])} under {language}, "
                    f"expected {sorted(TEXTS)}"
                )
        if entry["id"] in questions:
            raise ValueError(f"{path.name}: {entry['id']} occurs twice")
        questions[entry["id"]] = entry
    return questions


def thread_name(url: str) -> str:
    """Return repository and number of a thread, as GitHub writes them.

    Raises:
        ValueError: The address is that of no issue and no pull request.
    """
    match = THREAD.fullmatch(url)
    if match is None:
        raise ValueError(f"{url} is no issue and no pull request on GitHub")
    return f"{match[1]}#{match[2]}"


class FaqDirective(SphinxDirective):
    """The questions of one group, each a section."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section for each question of the group."""
        self.env.note_dependency(str(FAQ))
        try:
            group = self.arguments[0]
            chosen = [entry for entry in read_faq(FAQ).values() if entry["group"] == group]
            if not chosen:
                raise ValueError(f"no question of {FAQ.name} is in the group {group!r}")
            return [self.section(entry) for entry in chosen]
        except ValueError as error:
            raise self.error(str(error)) from error

    def section(self, entry: dict[str, Any]) -> nodes.section:
        """Return one question, and make it a target for references."""
        language = str(self.env.config.language)
        words_of = WORDS.get(language, WORDS["en"])
        if language not in entry:
            raise ValueError(f"{entry['id']} has no text in the language {language!r}")
        texts = entry[language]
        anchor = f"question-{entry['id']}"
        words, messages = self.state.inline_text(texts["question"], self.lineno)
        section = nodes.section("", nodes.title(texts["question"], "", *words), *messages)
        section["ids"].append(anchor)
        self.parse(texts["answer"].strip(), section)
        places = [self.place(place) for place in entry["shown_in"]]
        shown = nodes.container(classes=["faq-shown"])
        page = self.env.docname.rpartition("/")[2]
        links = " · ".join(place.link(page, language) for place in places)
        self.parse(f"**{words_of['shown']}** {links}", shown)
        section += [shown, threads(entry["asked_in"], words_of["asked"])]
        standard = self.env.get_domain("std")
        assert isinstance(standard, StandardDomain)
        standard.note_hyperlink_target(anchor, self.env.docname, anchor, texts["question"])
        return section

    def place(self, name: str) -> Place:
        """Return a place, and have the page read again when that of the place changes."""
        place = find_place(name)
        self.env.note_dependency(str(BOOK / f"{place.page}.ipynb"))
        return place

    def parse(self, text: str, parent: nodes.Element) -> None:
        """Put Markdown into a node."""
        self.state.nested_parse(StringList(text.splitlines(), FAQ.name), 0, parent)


def threads(asked_in: list[dict[str, str]], title: str) -> Fold:
    """Return the list of threads in which a question was asked, folded under a title."""
    items = []
    for thread in asked_in:
        link = nodes.reference("", thread["title"], refuri=thread["url"])
        where = nodes.Text(f" ({thread_name(thread['url'])})")
        items.append(nodes.list_item("", nodes.paragraph("", "", link, where)))
    folded = nodes.bullet_list("", *items)
    return Fold("", folded, title=title.format(n=len(items)), classes=["fold-asked"])


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("faq", FaqDirective)
