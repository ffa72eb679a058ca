"""Small books of several tests in one process are none of each other's business."""

from collections.abc import Iterator

import pytest
from sphinx.config import Config
from sphinx.util.docutils import docutils_namespace


@pytest.fixture(autouse=True)
def what_a_book_registers() -> Iterator[None]:
    """Directives go with their book; so do suffixes, which Sphinx keeps in one dictionary."""
    suffixes = Config.config_values["source_suffix"].default
    for suffix in set(suffixes) - {".rst"}:
        del suffixes[suffix]
    with docutils_namespace():
        yield
