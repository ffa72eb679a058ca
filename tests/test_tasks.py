"""Each task of the project works in any folder, from make and without, and says what is lacking."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import run_stages
import tasks

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "tasks.py"
# Stands for a command: shows its arguments.
COMMAND = """#!/bin/sh
for argument in "$@"; do echo "argument: $argument"; done
exit {status}
"""
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def command(path: Path, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(COMMAND.format(status=status))
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a space and an umlaut in its path, with what a task reads before it is done."""
    folder = tmp_path / "a b ü"
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/tasks.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def make(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run make there, in an environment without HOME."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": path + os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@needs_make
def test_everything_is_installed_once_by_uv_into_a_path_with_a_space(clone: Path) -> None:
    uv = command(clone / "bin" / "uv")
    settings = "install", f"PYTHON={sys.executable}"
    first = make(clone, *settings, path=f"{uv.parent}:")
    assert first.returncode == 0, first.stdout
    assert f"argument: {clone}/.venv/bin/python\n" in first.stdout
    assert "argument: .[apps,book,chinese,cli,export,search,serve,test,track]\n" in first.stdout
    assert (clone / ".venv/.installed").exists()
    assert make(clone, *settings, path=f"{uv.parent}:").stdout == ""
    (clone / "constraints.txt").touch()
    assert "Installing" in make(clone, *settings, path=f"{uv.parent}:").stdout


@needs_make
def test_a_python_that_is_not_there_is_named(clone: Path) -> None:
    result = make(clone, "install", "PYTHON=python9.9")
    assert result.returncode != 0
    assert "There is no python9.9. Name another one: make PYTHON=python3.12" in result.stdout


@needs_make
def test_the_python_of_an_environment_that_is_there_is_not_asked_for_again(clone: Path) -> None:
    command(clone / ".venv" / "bin" / "python")
    result = make(clone, "unit", "PYTHON=python9.9")
    assert result.stdout == "argument: tools/tasks.py\nargument: unit\n"


@needs_make
@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_cannot_be_written_is_named(clone: Path) -> None:
    clone.chmod(0o555)
    try:
        result = make(clone, "install", f"PYTHON={sys.executable}")
    finally:
        clone.chmod(0o755)
    assert result.returncode != 0
    assert f"{clone} cannot be written" in result.stdout


def test_every_task_is_a_target_and_make_knows_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    targets = re.search(r"^TASKS := (.+)$", makefile, re.MULTILINE)
    assert targets
    assert targets[1].split() == list(tasks.TASKS)


def test_the_list_tells_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    tasks.main()
    said = capsys.readouterr().out
    assert re.findall(r"^([a-z]+)  +[A-Z]", said, re.MULTILINE) == list(tasks.TASKS)


def test_an_unknown_task_and_an_argument_too_many_are_named() -> None:
    with pytest.raises(SystemExit, match=r"no task nonsense; there are: help, install"):
        tasks.main("nonsense")
    with pytest.raises(SystemExit, match="The task clean takes no argument, got: _build"):
        tasks.main("clean", "_build")


def test_a_python_that_is_too_old_can_read_the_file_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    with pytest.raises(SystemExit, match=r"3.11 to 3.13 is needed, and .+ is Python 3\.10\."):
        runpy.run_path(str(SCRIPT))


def test_a_python_that_is_too_new_makes_no_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    into(monkeypatch, tmp_path)
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(SystemExit, match=r"3.11 to 3.13 is needed, and .+ is Python 3\.14\."):
        tasks.install()
    assert not tasks.VENV.exists()


class Calls:
    """Takes the place of ``subprocess.run``: keeps what was called, and in which environment."""

    def __init__(self, failing: str = "nothing") -> None:
        self.failing = failing
        self.commands: list[list[str]] = []
        self.environments: list[Mapping[str, str]] = []

    def __call__(
        self, arguments: list[str], env: Mapping[str, str] = os.environ, **_: object
    ) -> subprocess.CompletedProcess[str]:
        self.commands.append([str(argument) for argument in arguments])
        self.environments.append(dict(env))
        return subprocess.CompletedProcess(arguments, int(self.failing in self.commands[-1][0]))


def into(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the environment be in another folder."""
    monkeypatch.setattr(tasks, "VENV", folder / ".venv")
    monkeypatch.setattr(tasks, "PYTHON", str(folder / ".venv" / "bin" / "python"))
    monkeypatch.setattr(tasks, "STAMP", folder / ".venv" / ".installed")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Nothing is run, and the environment is taken for complete."""
    found = Calls()
    monkeypatch.setattr(subprocess, "run", found)
    monkeypatch.setattr(tasks, "install", lambda: None)
    return found


@pytest.mark.parametrize(
    ("uv", "failing", "tried"),
    [(None, "nothing", ["python"]), ("/uv", "/uv", ["uv", "python"]), ("/uv", "nothing", ["uv"])],
)
def test_pip_installs_where_there_is_no_uv_or_uv_cannot(
    monkeypatch: pytest.MonkeyPatch, uv: str | None, failing: str, tried: list[str]
) -> None:
    found = Calls(failing)
    monkeypatch.setattr(subprocess, "run", found)
    monkeypatch.setattr(shutil, "which", lambda name: uv)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    tasks.install_packages("book,test")
    assert [Path(words[0]).stem for words in found.commands] == tried
    for words in found.commands:
        assert words[-4:] == ["--constraint", "constraints.txt", "--editable", ".[book,test]"]


@pytest.mark.parametrize("kept", [True, False])
def test_what_uv_installs_is_compiled_where_python_keeps_no_bytecode(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: bool
) -> None:
    site = tmp_path / "site"
    (site / "package").mkdir(parents=True)
    (site / "package" / "module.py").write_text("x = 1\n")
    # Some packages bring such files.
    (site / "package" / "template.py").write_text("no Python here\n")
    program = tasks.COMPILE.replace("sysconfig.get_path('purelib')", repr(str(site)))
    monkeypatch.setattr(tasks, "COMPILE", program)
    monkeypatch.setattr(sys, "dont_write_bytecode", not kept)
    uv = str(command(tmp_path / "uv"))
    monkeypatch.setattr(shutil, "which", lambda name: uv)
    tasks.install_with(sys.executable, "package")
    assert [path.stem.partition(".")[0] for path in site.rglob("*.pyc")] == ["module"] * (not kept)


def test_what_pip_cannot_install_is_not_taken_for_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    into(monkeypatch, tmp_path)
    command(tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(subprocess, "run", Calls("python"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="1"):
        tasks.install()
    assert not tasks.STAMP.exists()


def test_notebooks_take_the_real_data_that_are_there_and_the_book_does_not(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", "/real data")
    for name in ("notebooks", "book"):
        tasks.main(name)
    notebooks, book = calls.environments
    assert notebooks["AIGC_TUTORIAL_DATA"] == "/real data"
    assert "AIGC_TUTORIAL_DATA" not in book
    assert {e["AIGC_TUTORIAL_OFFLINE"] for e in calls.environments} == {"1"}
    monkeypatch.delenv("AIGC_TUTORIAL_DATA")
    tasks.main("notebooks")
    for stranger in (book, calls.environments[-1]):
        assert stranger["AIGC_TUTORIAL_CACHE"] == str(ROOT / ".cache" / "stranger")


def test_arguments_come_from_the_command_line_or_from_make(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.main("unit", "-k", "two words")
    monkeypatch.setenv("PYTEST_ARGS", "-k 'two words'")
    tasks.main("unit")
    first, second = calls.commands
    assert first == second
    assert first[-2:] == ["-k", "two words"]


def test_a_task_that_fails_ends_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "install", lambda: None)
    found = Calls("ruff")
    monkeypatch.setattr(subprocess, "run", found)
    with pytest.raises(SystemExit, match="1"):
        tasks.main("lint")
    assert len(found.commands) == 1


def test_all_stages_run_and_those_beside_another_are_told_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "tasks.py"
    fake.write_text("import sys; print('ran', sys.argv[1]); sys.exit(sys.argv[1] == 'lint')")
    monkeypatch.setattr(run_stages, "TASKS", fake)
    assert run_stages.main(["widgets+lint", "unit", "book"]) == 1
    said = capfd.readouterr().out
    assert [line for line in said.splitlines() if "ran" in line or "===" in line][:4] == [
        "=== make widgets ===",
        "ran widgets",
        "=== make lint, beside widgets ===",
        "ran lint",
    ]
    assert "1 of 4 stages failed." in said
