"""What chapter 6 quotes of its recorded runs is in them, and they are of the real data."""

import importlib
import re
import statistics
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "06_1_customer_service": "apps_support",
    "06_2_news_monitoring": "apps_news",
    "06_3_recommendation": "apps_recommend",
}
INCLUDE = re.compile(r"```\{include\} \.\./benchmarks/results/(\w+)\.md\n(.*?)```", re.S)
OPTION = re.compile(r':(start-after|end-before): "(.+)"')


def recorded(name):
    module = importlib.import_module(name)
    return importlib.import_module("recording").recorded(module.RESULTS)


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def included(page):
    """The parts of records that a page shows."""
    notebook = nbformat.read(ROOT / "book" / f"{page}.ipynb", as_version=4)
    told = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for name, options in INCLUDE.findall(told):
        ends = dict(OPTION.findall(options))
        text = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text(encoding="utf-8")
        assert all(text.count(mark) == 1 for mark in ends.values()), (page, ends)
        after = text.partition(ends["start-after"])[2]
        yield name, after.partition(ends["end-before"])[0] if "end-before" in ends else after


@pytest.mark.parametrize("page", PAGES)
def test_every_table_that_a_page_quotes_is_included_from_its_record(page):
    """A table of results that is typed into a page would go on when the record changes."""
    parts = list(included(page))
    assert PAGES[page] in {name for name, _ in parts}
    assert all("|--:|" in part or "| --: |" in part or "--:" in part for _, part in parts)
    notebook = nbformat.read(ROOT / "book" / f"{page}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            rows = [line for line in cell.source.splitlines() if line.startswith("|")]
            assert not any(re.search(r"\|\s*[−-]?\d*\.\d+\s*\|", row) for row in rows), cell.id


def test_the_support_tables_are_those_of_the_recorded_runs():
    script = importlib.import_module("apps_support")
    table = script.RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert table == script.tables(recorded("apps_support"))


def test_the_recorded_runs_are_of_the_real_data_and_name_their_command():
    """Counts that only the real data have; what stands in has hundreds of messages or films."""
    marks = {
        "apps_support": ("810 test messages", {"counted", "tuned", "unknown"}),
        "apps_news": ("2,267 test tweets", {"words", "letters", "both", "list", "topics"}),
        "apps_recommend": ("590 people", {"behaviour", "texts"}),
    }
    for name, (mark, parts) in marks.items():
        results = recorded(name)
        assert parts <= set(results)
        for part in parts:
            assert mark in results[part]["unit"], (name, part)
        for part, result in results.items():
            assert result["command"].startswith(f"python benchmarks/{name}.py {part} --seeds")
            assert result["machine"]
            assert result["date"]


def test_who_names_better_rings_sooner():
    """6.2 says so of the three classifiers, by every detector and for both bursts."""
    script = importlib.import_module("apps_news")
    results = recorded("apps_news")
    f1 = {
        results[part]["way"]: statistics.mean(
            run["f1"] for run in results[part]["rows"][-1]["runs"]
        )
        for part in ("words", "full")
    }
    lists = results["list"]["rows"][0]
    f1[lists["way"]] = lists["f1"]
    order = sorted(f1, key=f1.__getitem__, reverse=True)
    assert order == ["words and pairs", "two lists of words", "all weights"]
    place = script.FALSE_ALARMS_PER_DAY.index(script.SHOWN)
    hours: dict[tuple[float, str], dict[str, float]] = {}
    for row in results["stream"]["rows"]:
        delay = statistics.mean(row["at"][place]["delay"])
        cell = hours.setdefault((row["factor"], row["detector"]), {})
        cell[row["named_by"]] = min(delay, cell.get(row["named_by"], delay))
    assert len(hours) == 8
    for by_way in hours.values():
        assert by_way[order[0]] < by_way[order[1]] < by_way[order[2]]
