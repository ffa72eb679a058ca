"""The pages of the built book were really executed."""

import json
import sqlite3

import pytest
from aigc_book import budget, execution_cache
from clean_notebooks import notebooks

pytestmark = pytest.mark.built

# A page that takes less than this part of its measured time has skipped something: no reader's
# machine is so much faster than the two cores of the budget.
FLOOR = 0.1


def executed_seconds() -> dict[str, float]:
    """Return how long each page ran when the book was built, from the notebook cache."""
    database = execution_cache.cache_folder() / "global.db"
    assert database.is_file(), "there is no built book; run `make book` first"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT uri, data, created FROM nbcache ORDER BY created")
        return {
            uri.rpartition("/")[2].removesuffix(".ipynb"): json.loads(data)["execution_seconds"]
            for uri, data, _ in rows
        }


def test_no_page_ran_suspiciously_fast() -> None:
    seconds = executed_seconds()
    budgets = budget.read_budgets()
    names = {path.stem for path in notebooks()}
    assert names <= set(seconds), "these pages were not executed"
    too_fast = {
        name: (seconds[name], budgets[name]["offline"]["seconds"])  # the book is built offline
        for name in names & set(budgets)
        if seconds[name] < FLOOR * budgets[name]["offline"]["seconds"]
    }
    assert too_fast == {}
