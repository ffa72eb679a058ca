"""`make` works in any folder, with any Python that is supported, and says what is lacking."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Stands for an interpreter: shows how it was called; of itself it makes an environment.
INTERPRETER = """#!/bin/sh
case "$*" in
  -V) echo "Python {version}" ;;
  -c*) exit {refused} ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *) echo "cache: $AIGC_TUTORIAL_CACHE"
     echo "data: $AIGC_TUTORIAL_DATA"
     for argument in "$@"; do echo "argument: $argument"; done ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a space and an umlaut in its path, with what `make install` reads."""
    folder = tmp_path / "a b ü"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def interpreter(folder: Path, version: str = "3.12.1", supported: bool = True) -> Path:
    path = folder / f"python{version}"
    path.write_text(INTERPRETER.format(version=version, refused=int(not supported)))
    path.chmod(0o755)
    return path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make there, in an environment without HOME."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_everything_is_installed_once_into_a_path_with_a_space(clone: Path) -> None:
    python = f"PYTHON={interpreter(clone)}"
    first = make(clone, "install", python)
    assert first.returncode == 0, first.stdout
    assert "argument: .[apps,book,chinese,cli,export,search,serve,test,track]" in first.stdout
    assert (clone / ".venv/.installed").exists()
    assert "nothing to be done" in make(clone, "install", python).stdout.lower()


def test_notebooks_run_with_a_cache_in_that_path(clone: Path) -> None:
    python = f"PYTHON={interpreter(clone)}"
    for target in ("book", "notebooks"):
        result = make(clone, target, python)
        assert result.returncode == 0, result.stdout
        assert f"cache: {clone}/.cache/stranger\n" in result.stdout, target


def test_notebooks_take_the_real_data_that_are_there_and_the_book_does_not(clone: Path) -> None:
    settings = f"PYTHON={interpreter(clone)}", "AIGC_TUTORIAL_DATA=/real data"
    assert "data: /real data\n" in make(clone, "notebooks", *settings).stdout
    assert "data: \n" in make(clone, "book", *settings).stdout


def test_a_python_that_is_not_there_is_named(clone: Path) -> None:
    result = make(clone, "install", "PYTHON=python9.9")
    assert result.returncode != 0
    assert "There is no python9.9. Name another one: make PYTHON=python3.12" in result.stdout


def test_a_python_that_is_too_old_is_named_with_its_version(clone: Path) -> None:
    old = interpreter(clone, "3.10.2", supported=False)
    result = make(clone, "install", f"PYTHON={old}")
    assert result.returncode != 0
    assert f"Python 3.11 to 3.13 is needed, and {old} is Python 3.10.2." in result.stdout
    assert not (clone / ".venv").exists()


def test_the_python_of_an_environment_that_is_there_is_not_asked_for_again(clone: Path) -> None:
    make(clone, "install", f"PYTHON={interpreter(clone)}")
    (clone / ".venv/.installed").unlink()
    assert make(clone, "install", "PYTHON=python9.9").returncode == 0


@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_cannot_be_written_is_named(clone: Path) -> None:
    python = interpreter(clone)
    clone.chmod(0o555)
    try:
        result = make(clone, "install", f"PYTHON={python}")
    finally:
        clone.chmod(0o755)
    assert result.returncode != 0
    assert f"{clone} cannot be written" in result.stdout


def test_all_stages_run_and_those_beside_another_are_told_after_it(tmp_path: Path) -> None:
    fake = tmp_path / "make"
    fake.write_text('#!/bin/sh\necho "ran $2"; test "$2" != lint\n')
    fake.chmod(0o755)
    result = subprocess.run(
        [sys.executable, ROOT / "tools/run_stages.py", "widgets+lint", "unit", "book"],
        env={"PATH": os.environ["PATH"], "MAKE": str(fake)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in result.stdout.splitlines() if "ran" in line or "===" in line]
    assert said[:4] == [
        "=== make widgets ===",
        "ran widgets",
        "=== make lint, beside widgets ===",
        "ran lint",
    ]
    assert "1 of 4 stages failed." in result.stdout
    assert result.returncode == 1
