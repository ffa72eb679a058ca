"""Each task of the project works in any folder, from make and without, and says what is lacking."""

import ast
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import types
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
needs_shell = pytest.mark.skipif(os.name == "nt", reason="a command here is a script of the shell")
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
def test_a_python_in_a_folder_with_a_space_is_taken(clone: Path) -> None:
    python = command(clone / "my pythons" / "python")
    assert make(clone, "lint", f"PYTHON={python}").stdout.endswith("argument: lint\n")


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
    tasks.main("--help")
    assert capsys.readouterr().out == said
    assert re.findall(r"^([a-z]+)  +[A-Z]", said, re.MULTILINE) == list(tasks.TASKS)


def test_an_unknown_task_and_an_argument_too_many_are_named() -> None:
    with pytest.raises(SystemExit, match=r"no task nonsense; there are: help, install"):
        tasks.main("nonsense")
    with pytest.raises(SystemExit, match="The task clean takes no argument, got: _build"):
        tasks.main("clean", "_build")


def test_what_is_no_list_of_arguments_is_named(
    calls: "Calls", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ARGS", "-k 'two")
    with pytest.raises(SystemExit, match=r"PYTEST_ARGS is -k 'two, .+: No closing quotation"):
        tasks.main("unit")
    with pytest.raises(SystemExit, match="The task serve takes fewer arguments, got: 8000 8001"):
        tasks.main("serve", "8000", "8001")
    assert calls.commands == []


def test_a_port_that_cannot_be_had_is_named_before_the_book_is_built(calls: "Calls") -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in ("web", "70000", str(taken.getsockname()[1])):
            with pytest.raises(SystemExit, match=f"The port {port} cannot be had"):
                tasks.main("serve", port)
    assert calls.commands == []


def test_a_python_that_is_too_old_can_read_the_file_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    with pytest.raises(SystemExit, match=r"3.11 to 3.13 is needed, and .+ is Python 3\.10\."):
        runpy.run_path(str(SCRIPT))
    monkeypatch.setattr(sys, "prefix", str(tasks.VENV))  # where no other one is asked for
    with pytest.raises(SystemExit, match=r"Delete \.venv, which it is in; then name another one"):
        runpy.run_path(str(SCRIPT))


def test_on_windows_programs_are_elsewhere_and_a_backslash_is_a_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    windows = types.ModuleType("os")
    vars(windows).update(vars(os) | {"name": "nt"})
    monkeypatch.setitem(sys.modules, "os", windows)  # pathlib keeps its own
    found = runpy.run_path(str(SCRIPT))
    assert Path(found["PYTHON"]) == ROOT / ".venv" / "Scripts" / "python.exe"
    assert found["split"](r"tests\book -k 'two words'") == [r"tests\book", "-k", "two words"]
    assert tasks.split(r"two\ words") == ["two words"]


def test_a_python_that_is_too_new_makes_no_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    into(monkeypatch, tmp_path)
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(SystemExit, match=r"3.11 to 3.13 is needed, and .+ is Python 3\.14\."):
        tasks.install()
    assert not tasks.VENV.exists()
    command(Path(tasks.PYTHON))
    monkeypatch.setattr(sys, "prefix", str(tasks.VENV))
    with pytest.raises(SystemExit, match=r"Delete \.venv"):
        tasks.install()


class Calls:
    """Takes the place of ``subprocess.run``: keeps what was called, and in which environment."""

    def __init__(self, failing: str = "nothing", raising: str = "nothing") -> None:
        self.failing = failing
        self.raising = raising
        self.commands: list[list[str]] = []
        self.environments: list[Mapping[str, str]] = []

    def __call__(
        self, arguments: list[str], env: Mapping[str, str] = os.environ, **_: object
    ) -> subprocess.CompletedProcess[str]:
        self.commands.append([str(argument) for argument in arguments])
        self.environments.append(dict(env))
        if self.raising in self.commands[-1][0]:
            raise OSError(f"Exec format error: {self.raising}")
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
    ("uv", "found", "tried"),
    [
        (None, Calls(), ["python"]),
        ("/uv", Calls(failing="/uv"), ["uv", "python"]),
        ("/uv", Calls(raising="/uv"), ["uv", "python"]),
        ("/uv", Calls(), ["uv"]),
    ],
)
def test_pip_installs_where_there_is_no_uv_or_uv_cannot(
    monkeypatch: pytest.MonkeyPatch, uv: str | None, found: Calls, tried: list[str]
) -> None:
    monkeypatch.setattr(subprocess, "run", found)
    monkeypatch.setattr(shutil, "which", lambda name: uv)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    tasks.install_packages("book,test")
    commands = [words for words in found.commands if "import pip" not in words]
    assert [Path(words[0]).stem for words in commands] == tried
    for words in commands:
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


@needs_shell
def test_an_environment_that_was_left_without_pip_gets_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = command(tmp_path / "python", status=1)
    found = Calls()
    monkeypatch.setattr(tasks, "call", lambda *words: found(list(words)))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    tasks.install_with(str(python), "torch")
    assert [words[2] for words in found.commands] == ["ensurepip", "pip"]
    python.write_text(COMMAND.format(status=0))
    tasks.install_with(str(python), "torch")
    assert [words[2] for words in found.commands[2:]] == ["pip"]


@needs_shell
def test_an_environment_whose_python_is_gone_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    into(monkeypatch, tmp_path)
    python = Path(tasks.PYTHON)
    python.parent.mkdir(parents=True)
    python.symlink_to(tmp_path / "gone")
    tasks.STAMP.write_text(str(tasks.VENV))
    monkeypatch.setattr(tasks, "install_packages", lambda extras: None)
    tasks.install()
    assert subprocess.run([python, "-c", "import pip"], check=False).returncode == 0


def test_an_environment_that_was_moved_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    into(monkeypatch, tmp_path)
    monkeypatch.setattr(subprocess, "run", Calls())
    command(Path(tasks.PYTHON))
    tasks.install()
    tasks.install()
    tasks.STAMP.write_text("/elsewhere/.venv")
    with pytest.raises(SystemExit, match=r"made as /elsewhere/\.venv, and works there alone"):
        tasks.install()


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


def test_no_variable_narrows_what_is_tested_as_a_whole(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTEST_ARGS", "PAGES"):
        monkeypatch.setenv(name, "-k frechet")
    tasks.main("test")
    assert not {"PYTEST_ARGS", "PAGES"} & calls.environments[0].keys()


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


def test_what_a_stage_said_may_hold_letters_that_the_terminal_has_not(tmp_path: Path) -> None:
    fake = tmp_path / "tasks.py"
    fake.write_text("import sys; sys.stdout.buffer.write('\\ufffd ✓'.encode())", encoding="utf-8")
    code = f"import run_stages as r; r.TASKS = {str(fake)!r}; r.main(['unit+lint'])"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "tools",
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"All stages passed." in said.stdout
