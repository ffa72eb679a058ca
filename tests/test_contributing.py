"""CONTRIBUTING.md is true: its recipes work to the letter, and what it names is there."""

import hashlib
import importlib
import json
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import tasks
from aigc_book import package_map

from tests.data.test_fetch import Server
from tests.test_distribution import known_to_git

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = TEXT.partition("\n## Adding something\n")[2].partition("\n## ")[0]
BLOCK = re.compile(r"^( *)(`{3,})(\S*)\n(.*?)^\1\2$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.py)\n")
SUFFIXES = (".bib", ".cjs", ".html", ".js", ".json", ".md", ".py", ".toml", ".txt", ".yml")
# Written by a command, or by who follows a recipe.
MADE = {"search-sections.js", "text/proverbs.txt"}

WORDS = (
    "a bell bread bush cake care cat deed egg end eye friend gift gold half hand heart home late"
)
WORDS += " life name never night penny wit"
PROVERBS = "".join(
    f"Better {good} than {bad}.\n" for good in WORDS.split() for bad in WORDS.split() if good != bad
).encode()

# Runs commands of the package, scripts of tools and pieces of Python in one process, in order.
DRIVER = """
import json, sys
from aigc_tutorial import cli
for kind, words in json.loads(sys.argv[1]):
    status = 0
    if kind == "python":
        exec(words[-1], {"__name__": "__main__"})
    elif kind == "command":
        status = cli.main(words)
    else:
        sys.path.insert(0, "tools")
        sys.argv = words
        status = __import__(words[0]).main()
    if status:
        sys.exit(f"{words} ended with {status}")
"""


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of one language, without the indent that a list gives them."""
    found = BLOCK.findall(text)
    return [textwrap.dedent(body) for _, _, kind, body in found if kind == language]


def new_files(text: str) -> dict[str, str]:
    """Return the Python files that the recipes show, by the path in their first line."""
    matches = [(FILE.match(block), block) for block in blocks(text, "python")]
    return {match[1]: block[match.end() :] for match, block in matches if match}


def changed(name: str, text: str, hunks: str) -> str:
    """Return a file's text after a change that is shown without numbers of lines."""
    for hunk in hunks.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        before, after = (
            "".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +")
        )
        assert text.count(before) == 1, f"CONTRIBUTING.md shows of {name} what is not there once"
        text = text.replace(before, after)
    return text


def follow(recipes: str, folder: Path) -> list[str]:
    """Write the files and make the changes of the recipes there; return the paths of Python."""
    for name, code in new_files(recipes).items():
        path = folder / name
        there = path.read_text(encoding="utf-8") + "\n" if path.exists() else ""
        path.write_text(there + code, encoding="utf-8")
    for diff in blocks(recipes, "diff"):
        for part in diff.split("+++ ")[1:]:
            name, _, hunks = part.partition("\n")
            text = (folder / name).read_text(encoding="utf-8")
            (folder / name).write_text(changed(name, text, hunks), encoding="utf-8")
    return list(new_files(recipes))


def commands(recipes: str) -> Iterator[list[str]]:
    """Give the words of each command that the recipes show, in order."""
    for block in blocks(recipes, "bash"):
        yield from map(shlex.split, block.splitlines())


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, whose tasks and whose package are those that are run."""
    folder = tmp_path / "copy"
    for name in known_to_git(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.setattr(tasks, "ROOT", folder)
    monkeypatch.setattr(tasks, "PYTHON", sys.executable)
    monkeypatch.setattr(tasks, "BIN", Path(sys.executable).parent)
    monkeypatch.setattr(tasks, "install", lambda: None)
    monkeypatch.delenv("AIGC_TUTORIAL_DATA", raising=False)
    monkeypatch.delenv("AIGC_TUTORIAL_OFFLINE", raising=False)
    for name, value in {
        "AIGC_TUTORIAL_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(folder),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    """What the two addresses of the data set become: first a changed file, then the right one."""
    running = Server()
    running.pages = {
        "/changed": (200, PROVERBS.replace(b"wit", b"wet"), None),
        "/right": (200, PROVERBS, None),
    }
    yield running
    running.close()


def test_what_the_recipes_add_works_and_their_tests_hold(
    copy: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = RECIPES
    for address, page in (("//example.org", "changed"), ("//mirror.example.org", "right")):
        assert recipes.count(f"https:{address}/proverbs.txt") == 1
        recipes = recipes.replace(f"https:{address}/proverbs.txt", server.address(page))
    written = [*follow(recipes, copy), "book/99_proverbs.ipynb"]
    (notebook,) = (block for block in blocks(recipes, "python") if "nbformat.write(" in block)

    # What each target runs of the page; the other two build the book and test it in a browser.
    scripts = {
        ("format",): ["clean_notebooks"],
        ("budgets", "PAGES=99_proverbs"): ["measure_budgets", "99_proverbs"],
        ("book",): None,
        ("built",): None,
    }
    steps: list[tuple[str, list[str]]] = []
    chosen: list[str] = []
    for first, *words in commands(recipes):
        if first == ".venv/bin/aigc-tutorial":
            steps.append(("command", words))
        elif first == ".venv/bin/python":
            steps.append(("python", words))
        elif words[0] == "unit":
            chosen += shlex.split(words[1].removeprefix("PYTEST_ARGS="))
        else:
            if words == ["format"]:
                steps.append(("python", [notebook]))
            script = scripts.pop(tuple(words))
            steps += [("script", script)] if script else []
    assert scripts == {}
    tasks.call(sys.executable, "-c", DRIVER, json.dumps(steps))
    assert server.requests == ["/changed", "/right"], "changed bytes are refused"
    assert (tmp_path / "cache/text/proverbs.txt").read_bytes() == PROVERBS
    tasks.call(tasks.tool("ruff"), "check", "--no-cache", *written)
    tasks.call(tasks.tool("ruff"), "format", "--no-cache", "--check", *written)

    # One process for all the tests that the recipes name: of those files that are named whole only
    # what is about the example, and the tables of contents.
    files = [word for word in chosen if word.startswith("tests/")]
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", str(tmp_path / "cache"))
    tasks.call(
        *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("-k", "proverbs or odds or every_data_set or contents or references or course", *files),
    )


def test_the_proverbs_are_those_of_the_catalogue_that_is_shown() -> None:
    shown = new_files(RECIPES)["aigc_tutorial/data/catalogue.py"]
    assert hashlib.sha256(PROVERBS).hexdigest() in shown
    assert f"n_bytes={len(PROVERBS):_}" in shown


def test_a_change_of_lines_that_are_not_there_is_told() -> None:
    assert changed("a.py", "x\ny\n", "@@\n x\n+z\n") == "x\nz\ny\n"
    assert changed("a.py", "x\ny\n", "@@\n-x\n+z\n y\n") == "z\ny\n"
    for text in ("y\n", "x\nx\n"):
        with pytest.raises(AssertionError, match=r"of a\.py what is not there once"):
            changed("a.py", text, "@@\n x\n+z\n")


def test_the_floors_are_those_of_the_contract() -> None:
    text = TEXT.partition("- The floors: ")[2].partition(".")[0]
    told = [set(re.findall(r"`(\w+)`", floor)) for floor in text.split("<")]
    floors = [set(floor) for floor in package_map.floors()[::-1]]
    assert told == floors[1:-1]  # below them modules of all, above them what starts the command


def unknown(text: str) -> list[str]:
    """Return the paths, tasks and names of the package in a text that do not exist."""
    inline = re.findall(r"(?<!`)`{1,2}([^`\n]+)`{1,2}(?!`)", BLOCK.sub("", text))
    shown = [line for block in blocks(text, "bash") for line in block.splitlines()]
    files = {Path(name).name for name in known_to_git(ROOT)}
    new = set(new_files(RECIPES)) | MADE
    found = []
    for line in [*inline, *shown, *new_files(text)]:
        words = re.sub(r"[\"'|]", " ", line).split()
        if "make" in words:
            tail = line.partition("make ")[2].split()
            named = [word for word in tail if re.fullmatch(r"[a-z]+", word)]
            found += [f"make {word}" for word in named if word not in tasks.TASKS]
        found += [word for word in words if is_lost_path(word.rstrip(".,:"), files, new)]
        if (dotted := re.match(r"(\w+)((?:\.\w+)+)", line)) and not line.endswith(SUFFIXES):
            found += [dotted[0]] if is_lost_name(dotted[1], dotted[2]) else []
    return found


def is_lost_path(word: str, files: set[str], new: set[str]) -> bool:
    """Whether a word is a path of the repository that neither exists nor is made."""
    if word in new or word.startswith((".venv/", ".cache/", "_build/", "/")) or "*" in word:
        return False
    top = word.partition("/")[0]
    if "/" not in word:
        return word.endswith(SUFFIXES) and word not in files
    if top == "aigc_book":
        word, top = f"book/_ext/{word}", "book"
    is_ours = (ROOT / top).is_dir() and top not in {"data", "models"}
    return is_ours and not (ROOT / word).exists()


def is_lost_name(module: str, path: str) -> bool:
    """Whether a dotted name begins with a subpackage and does not lead to anything in it."""
    if not (ROOT / "aigc_tutorial" / module).is_dir() and module != "environment":
        return False
    place: object = importlib.import_module(f"aigc_tutorial.{module}")
    for name in path.split(".")[1:]:
        if not hasattr(place, name):
            try:
                importlib.import_module(f"{getattr(place, '__name__', '')}.{name}")
            except ImportError:
                return True
        place = getattr(place, name)
    return False


def test_every_path_task_and_name_in_it_exists() -> None:
    assert unknown(TEXT) == []


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("run `tools/screenshot.py` now", ["tools/screenshot.py"]),
        ("in `aigc_book/mark_up.py`", ["aigc_book/mark_up.py"]),
        ("in `pyproject.tml.toml`", ["pyproject.tml.toml"]),
        ('`make nonsense PAGES="05_4_results"`', ["make nonsense"]),
        ("`make install test locks`", ["make locks"]),
        ("`pages.expected(value)`", ["pages.expected"]),
        ("`viz.widgets.frames.stack`", ["viz.widgets.frames.stack"]),
        (
            "```bash\nmake unit PYTEST_ARGS='tests/test_nothing.py'\n```\n",
            ["tests/test_nothing.py"],
        ),
        ("```python\n# tests/equations/test_no.py\n```\n", ["tests/equations/test_no.py"]),
        ("`make lint`, `tools/tasks.py`, `pages.expect`, `book/_ext/aigc_book`", []),
    ],
)
def test_what_does_not_exist_is_found(text: str, lost: list[str]) -> None:
    assert unknown(text) == lost
