"""Source code of the package, shown where it is explained."""

import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_tutorial.environment import repository_url
from aigc_tutorial.pages.display import Shown, show

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
BRANCH = "main"


@dataclass(frozen=True)
class Listing:
    """Source of an object and where it stands."""

    code: str
    path: str
    first_line: int

    @property
    def last_line(self) -> int:
        """Number of the last line, counted from 1 as the first is."""
        return self.first_line + len(self.code.splitlines()) - 1

    def caption(self) -> str:
        """Path and line, as a link when the repository's address is known."""
        return self.linked(f"`{self.path}`, line {self.first_line}")

    def linked(self, text: str) -> str:
        """A Markdown text, as a link to the listing when the repository's address is known."""
        try:
            repository = repository_url().rstrip("/")
        except LookupError:  # no address is recorded: the text alone must do
            return text
        lines = f"#L{self.first_line}-L{self.last_line}"
        return f"[{text}]({repository}/blob/{BRANCH}/{self.path}{lines})"

    def shown(self) -> Shown:
        """The listing with its caption, as a fenced block."""
        markdown = f"{self.caption()}\n\n```python\n{self.code.rstrip()}\n```"
        return Shown(plain=f"# {self.path}, line {self.first_line}\n{self.code}", markdown=markdown)


def listing(obj: Any) -> Listing:
    """Source of a function, class, method or module, as it stands in its file.

    Raises:
        TypeError: if the object has no Python source, such as a number or a built-in.
    """
    target = inspect.unwrap(obj) if callable(obj) else obj
    try:
        lines, first_line = inspect.getsourcelines(target)
        path = inspect.getsourcefile(target)
    except (TypeError, OSError) as error:
        raise TypeError(
            f"{obj!r} has no Python source to show; give a function, class, method or module"
        ) from error
    file = Path(path or "")
    if file.is_relative_to(PACKAGE_FOLDER):
        name = file.relative_to(PACKAGE_FOLDER.parent).as_posix()
    else:
        name = file.name
    return Listing(textwrap.dedent("".join(lines)), name, max(1, first_line))


def show_source(obj: Any) -> None:
    """Show the source of an object of the package as highlighted Python.

    What the page shows is what it ran: the text is read from the file that was imported.
    """
    show(listing(obj).shown())
