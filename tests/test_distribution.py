"""What is built from the repository is whole: the source distribution, and a wheel made from it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "from setuptools import build_meta; build_meta.build_{kind}({folder!r})"
USE = """
import aigc_tutorial as aigc
print(aigc.__file__)
for name in aigc.zoo.names():
    aigc.zoo.load(name)
print(len(aigc.data.tang_poems().poems))
"""


def known_to_git(root: Path) -> list[str]:
    """Names of the files that git knows, or would know after `git add`."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listing.stdout.split("\0") if name and (root / name).is_file()]
    if not names:
        pytest.skip("not a git checkout")
    return names


def build(kind: str, source: Path, target: Path) -> Path:
    """Build from the folder with what is installed here, without a network."""
    target.mkdir()
    program = BUILD.format(kind=kind, folder=str(target))
    subprocess.run([sys.executable, "-c", program], cwd=source, check=True, capture_output=True)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def committed() -> list[str]:
    return known_to_git(ROOT)


@pytest.fixture(scope="module")
def unpacked(committed: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the source distribution of a copy of what git knows."""
    base = tmp_path_factory.mktemp("source")
    for name in committed:
        (base / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, base / "copy" / name)
    shutil.unpack_archive(build("sdist", base / "copy", base / "sdist"), base)
    (folder,) = base.glob("aigc_tutorial-*")
    return folder


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel") / "built")


def test_the_source_distribution_holds_every_file_of_the_repository(
    unpacked: Path, committed: list[str]
) -> None:
    assert [name for name in committed if not (unpacked / name).is_file()] == []


def test_the_wheel_holds_the_package_whole_and_nothing_else(
    wheel: Path, committed: list[str]
) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == {name for name in committed if name.startswith("aigc_tutorial/")}
    assert "aigc_tutorial/py.typed" in inside
    assert any(name.endswith(".safetensors") for name in inside)


def test_the_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    result = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(tmp_path / "site"))
