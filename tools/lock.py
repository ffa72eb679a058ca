"""Write ``constraints.txt`` from what is installed, and ``environment.yml`` from pyproject.toml.

``constraints.txt`` holds exact versions that are known to work together: of this package's
dependencies with all its extras, and of everything they need. Names and versions only. What torch
itself pins exactly, and only on Linux (the GPU libraries), is left to torch.
"""

import argparse
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
ENVIRONMENT = ROOT / "environment.yml"
LEFT_TO_TORCH = re.compile(r"nvidia-|cuda-|triton$")
HEADER = "# Exact versions known to work. Written by `make lock`; ranges are in pyproject.toml.\n"


def read_project() -> dict[str, Any]:
    """Return the ``[project]`` table."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project: dict[str, Any] = document["project"]
    return project


def requirements(project: dict[str, Any]) -> list[Requirement]:
    """Return the dependencies of the project and of all its extras."""
    lines = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        lines += extra
    return [Requirement(line) for line in lines]


def resolve(wanted: list[Requirement]) -> dict[str, str]:
    """Return name and version of all that the requirements need, as installed here.

    Raises:
        SystemExit: Something is not installed.
    """
    versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(requirement, "") for requirement in wanted]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if LEFT_TO_TORCH.match(name):
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            sys.exit(f"{name} is not installed here. Run: make install")
        versions[name] = Version(distribution.version).public
        for extra_of_it in ["", *requirement.extras]:
            if (name, extra_of_it) in seen:
                continue
            seen.add((name, extra_of_it))
            queue += [(Requirement(line), extra_of_it) for line in distribution.requires or []]
    return versions


def python_ends(project: dict[str, Any]) -> list[Version]:
    """Return the lowest Python that ``requires-python`` admits, and the first of its last series.

    The lowest is the first patch release: Debian keeps the one it was released with for years.
    """
    bounds = {s.operator: Version(s.version) for s in SpecifierSet(project["requires-python"])}
    first, after = bounds[">="], bounds["<"]
    return [Version(f"{first}.0"), Version(f"{after.major}.{after.minor - 1}.0")]


def unfit(versions: dict[str, str], pythons: list[Version]) -> list[str]:
    """Return a sentence for each installed package that does not run on one of the Pythons."""
    sentences = []
    for name, version in versions.items():
        (needed,) = importlib.metadata.metadata(name).get_all("Requires-Python", [""])
        for python in pythons:
            if python not in SpecifierSet(needed):
                sentences.append(
                    f"{name} {version} needs Python {needed}, and requires-python admits {python}: "
                    f"install another {name}, or change requires-python."
                )
    return sentences


def constraints_text(versions: dict[str, str]) -> str:
    """Return the content of constraints.txt."""
    return HEADER + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))


def environment_text(project: dict[str, Any]) -> str:
    """Return the content of environment.yml: Python from conda, the rest by pip, pinned."""
    extras = ",".join(project["optional-dependencies"])
    return (
        "# For conda users. Written by `make lock` from pyproject.toml; the versions are those of\n"
        "# constraints.txt. Use: conda env create -f environment.yml\n"
        f"name: {project['name']}\n"
        "channels:\n"
        "  - conda-forge\n"
        "dependencies:\n"
        f"  - python{project['requires-python']}\n"
        "  - pip\n"
        "  - pip:\n"
        "      - --constraint constraints.txt\n"
        f'      - --editable ".[{extras}]"\n'
    )


def main() -> None:
    """Write both files.

    Raises:
        SystemExit: Something is not installed, or does not run on every supported Python.
    """
    argparse.ArgumentParser(description=__doc__).parse_args()
    project = read_project()
    versions = resolve(requirements(project))
    if sentences := unfit(versions, python_ends(project)):
        sys.exit("\n".join(sentences))
    CONSTRAINTS.write_text(constraints_text(versions), encoding="utf-8")
    ENVIRONMENT.write_text(environment_text(project), encoding="utf-8")
    print(f"{CONSTRAINTS.name}: {len(versions)} packages; {ENVIRONMENT.name}: from pyproject.toml")


if __name__ == "__main__":
    main()
