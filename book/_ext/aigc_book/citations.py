"""Labels of cited works as a reader says them: "Goodfellow et al., 2014".

The styles of pybtex make "GPAM+14" of it, and "MKarafiatB+10" of a name with an accent.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.unsrt import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx

STYLE = "author_and_year"


def names(entry: Any) -> str:
    """Return a work's authors in short: one, two, or the first "et al."; else its title."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    last = [
        str(Text.from_latex(" ".join(person.prelast_names + person.last_names)))
        for person in people
    ]
    if not last:
        return str(Text.from_latex(entry.fields["title"]))
    if len(last) > 2 or last[-1] == "others":
        return f"{last[0]} et al."
    return " and ".join(last)


class AuthorYearLabels(BaseLabelStyle):  # type: ignore[misc]
    """Authors and year; works of the same authors and year get a letter."""

    def format_labels(self, sorted_entries: Iterable[Any]) -> Iterator[str]:
        """Yield a label for each work."""
        labels = [f"{names(entry)}, {entry.fields.get('year', 'n.d.')}" for entry in sorted_entries]
        total, seen = Counter(labels), Counter[str]()
        for label in labels:
            seen[label] += 1
            yield label if total[label] == 1 else f"{label}{chr(ord('a') + seen[label] - 1)}"


class AuthorYearStyle(PlainStyle):  # type: ignore[misc]
    """Works written as the plain style does, sorted by author and year, labelled by both."""

    default_label_style = AuthorYearLabels
    default_sorting_style = "author_year_title"


def setup(app: Sphinx) -> None:
    """Let ``bibtex_default_style`` name the style."""
    register_plugin("pybtex.style.formatting", STYLE, AuthorYearStyle)
