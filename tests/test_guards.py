"""The repository's guards find the fault that each of them is there for."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SHAPES = '''"""A module."""

from jaxtyping import Float
from torch import Tensor


def mean(x: Float[Tensor, " B"], y: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
    """The mean."""
    return {value}
'''


def run(*command: str | Path, cwd: Path = ROOT, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def lint(source: str) -> subprocess.CompletedProcess[str]:
    name = "aigc_tutorial/example.py"
    return run(BIN / "ruff", "check", "--no-cache", "--stdin-filename", name, "-", text=source)


def test_shapes_of_one_and_of_two_names_pass_the_lint() -> None:
    result = lint(SHAPES.format(value="x.mean() + y.mean()"))
    assert result.returncode == 0, result.stdout


def test_an_undefined_name_fails_the_lint() -> None:
    result = lint(SHAPES.format(value="x.mean() + z.mean()"))
    assert result.returncode == 1
    assert "F821" in result.stdout


def test_types_are_checked_in_every_folder_with_every_kind_of_error() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    folders = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("[!._]*/**/*.py")}
    folders.discard("build")  # where setuptools works; git ignores it
    assert folders <= {name.partition("/")[0] for name in settings["files"]}
    for table in (settings, *settings["overrides"]):
        assert not {"disable_error_code", "ignore_errors"} & table.keys()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's modules and the settings, in a folder where they may be changed."""
    only_code = shutil.ignore_patterns("weights", "__pycache__", "tang")
    shutil.copytree(ROOT / "aigc_tutorial", tmp_path / "aigc_tutorial", ignore=only_code)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_floors_hold() -> None:
    result = run(BIN / "lint-imports", "--no-cache")
    assert result.returncode == 0, result.stdout


def broken_contracts(copy: Path, modules: dict[str, str]) -> list[str]:
    """Add modules to the copy, each with one import, and return the lines of what they break."""
    for name, imported in modules.items():
        path = copy / "aigc_tutorial" / f"{name}.py"
        path.write_text(f"import aigc_tutorial.{imported}\n", encoding="utf-8")
    result = run(BIN / "lint-imports", "--no-cache", cwd=copy)
    return [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]


def test_an_import_of_a_higher_floor_fails(copy: Path) -> None:
    broken = broken_contracts(copy, {"nn/example": "gan"})
    assert any(line.startswith("Floors") for line in broken)


def test_a_circle_between_siblings_fails(copy: Path) -> None:
    (broken,) = broken_contracts(copy, {"nn/one": "nn.two", "nn/two": "nn.one"})
    assert broken.startswith("Siblings")
