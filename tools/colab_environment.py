"""Make an environment like Google Colab's, to find what breaks there before a reader does.

It holds exactly the versions of `colab_packages.txt` and what the notebooks' first cell adds: this
package, built and installed as from its repository, and the few packages that Colab lacks. Nothing
else of `.venv` can be seen in it, so what a page needs beyond that fails here as on Colab.

torch and torchvision, 6 GB with their libraries, are lent by the environment that runs this. They
are newer than Colab's; `tests.yml` tries older ones, and the weekly job tries Colab's own image. So
is what the first cell of some pages installs besides, in its newest version as on Colab.
"""

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from colab_cell import EXTRAS, PURE_PYTHON
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tasks import install_with

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "tools" / "colab_packages.txt"
FOLDER = ROOT / ".cache" / "colab"
LENT = ("torch", "torchvision", *(name for names in EXTRAS.values() for name in names))
# Those for which the versions of `colab_packages.txt` have wheels.
PYTHONS = ((3, 11), (3, 12))


def pinned() -> dict[str, str]:
    """Return the version of each package on Colab, by its canonical name."""
    lines = PACKAGES.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def lent() -> list[importlib.metadata.Distribution]:
    """Return torch, torchvision and what they require beside the packages of Colab's list."""
    known = pinned()
    waiting, found = list(LENT), {}
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in known or name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for requirement in map(Requirement, found[name].requires or []):
            extras = {"extra": ""}, *({"extra": extra} for extra in _extras_of(name))
            if requirement.marker is None or any(map(requirement.marker.evaluate, extras)):
                waiting.append(requirement.name)
    return list(found.values())


def _extras_of(name: str) -> set[str]:
    """Return the extras that torch's requirements ask of a package: `cuda-toolkit[cublas]`."""
    asked = map(Requirement, importlib.metadata.requires("torch") or [])
    return {e for r in asked if canonicalize_name(r.name) == name for e in r.extras}


def site_packages(python: Path) -> Path:
    """Return the folder in which an interpreter's packages are."""
    code = "import sysconfig; print(sysconfig.get_path('platlib'))"
    result = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return Path(result.stdout.strip())


def lend(folder: Path) -> None:
    """Link what is lent, and no more, into another environment's packages."""
    for distribution in lent():
        base = Path(str(distribution.locate_file("")))
        for name in {file.parts[0] for file in distribution.files or [] if file.parts[0] != ".."}:
            place = folder / name
            if name != "__pycache__" and not place.exists():
                place.symlink_to(base / name)


def make(folder: Path) -> Path:
    """Make the environment if it is not there or Colab's list has changed; return its Python."""
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    recipe = PACKAGES.read_bytes() + Path(__file__).read_bytes() + " ".join(PURE_PYTHON).encode()
    wanted = hashlib.sha256(recipe + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"Making an environment with Colab's packages in {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        install_with(str(python), "--no-deps", "--requirement", str(PACKAGES))
        install_with(str(python), "--no-deps", *PURE_PYTHON)
        lend(site_packages(python))
        stamp.write_text(wanted, encoding="utf-8")
    return python


def main(pages: list[str]) -> int:
    """Run pages, by default all, in the environment; return 1 if one failed."""
    if sys.version_info[:2] not in PYTHONS:
        supported = " and ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        print(
            f"Colab's packages are not tried: they are for Python {supported}, this is "
            f"{sys.version_info.major}.{sys.version_info.minor}. Delete .venv and name one of "
            "these, as in: make PYTHON=python3.12 colab"
        )
        return 0
    python = make(FOLDER)
    with tempfile.TemporaryDirectory() as copy:  # setuptools builds where the sources lie
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        shutil.copytree(ROOT / "aigc_tutorial", Path(copy, "aigc_tutorial"))
        install_with(str(python), "--no-deps", "--force-reinstall", copy)
    command = [str(python), str(ROOT / "tools" / "run_as_on_colab.py"), *pages]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
