"""Small books of several tests in one process are none of each other's business."""

from collections.abc import Iterator

import pytest
from sphinx.config import Config
from sphinx.util.docutils import docutils_namespace


def forget_suffixes() -> None:
    """Sphinx keeps what its extensions say of files in one dictionary, for all books."""
    suffixes = Config.config_values["source_suffix"].default
    for suffix in set(suffixes) - {".rst"}:
        del suffixes[suffix]


@pytest.fixture(autouse=True)
def what_a_book_registers() -> Iterator[None]:
    """Directives go with their book, and suffixes too.

    Also after each test: a module's own book is made before this fixture begins.
    """
    forget_suffixes()
    with docutils_namespace():
        yield
    forget_suffixes()
