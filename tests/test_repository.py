"""What stands in several places of the repository is the same in all of them."""

import contextlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import lock
import pytest
import tasks
import yaml
from aigc_book import repository
from packaging.utils import canonicalize_name
from packaging.version import Version

from aigc_tutorial.pages import source

ROOT = Path(__file__).resolve().parents[1]
PROJECT = lock.read_project()
URL = PROJECT["urls"]["Repository"]
OWNER = urlsplit(URL).path.strip("/").partition("/")[0]
NAME = PROJECT["name"]
# Anything that names this repository on GitHub, Colab or Pages.
ADDRESS = re.compile(
    rf"(?:github\.com|githubusercontent\.com|colab\.research\.google\.com/github)/([\w.-]+)/{NAME}"
)
PAGES = re.compile(rf"([\w-]+)\.github\.io/{NAME}")
TEXT = {".cff", ".ipynb", ".js", ".md", ".py", ".toml", ".yml"}


def committed_files() -> list[Path]:
    """Return the text files that git knows, or would know after `git add`."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / line for line in listing.stdout.splitlines())
    return [p for p in paths if p.is_file() and (p.suffix in TEXT or p.parent.name == ".ci")]


def test_the_address_is_the_same_everywhere() -> None:
    n_found = 0
    for path in committed_files():
        text = path.read_text(encoding="utf-8")
        owners = set(ADDRESS.findall(text)) | set(PAGES.findall(text))
        n_found += bool(owners)
        assert owners <= {OWNER}, path
    assert n_found >= 4  # pyproject.toml, _config.yml, CITATION.cff, README.md at least


def test_configuration_names_address_and_branch() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == URL
    assert config["repository"]["branch"] == repository.BRANCH == source.BRANCH
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == URL
    assert citation["version"] == PROJECT["version"]


def test_links_into_the_repository_name_its_branch_and_existing_files() -> None:
    link = re.compile(rf"{re.escape(URL)}/(?:blob|tree|raw)/([\w.-]+)/([\w./-]*)")
    for path in committed_files():
        for branch, target in link.findall(path.read_text(encoding="utf-8")):
            assert branch == repository.BRANCH, path
            assert (ROOT / target).exists(), f"{path} links to {target}"


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_readme_shows_its_pictures_wherever_it_is_shown(name: str) -> None:
    """A package index shows the README too, and knows no file beside it."""
    targets = re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    assert len(targets) > 8
    assert [target for target in targets if not target.startswith("https://")] == []


def test_version_is_the_same_everywhere() -> None:
    init = (ROOT / NAME / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{PROJECT["version"]}"' in init


def test_environment_file_is_the_generated_one() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert text == lock.environment_text(PROJECT), "run `make lock`"


def test_constraints_fit_the_ranges_and_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {}
    for line in lines:
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9][a-z0-9.-]*)==([\w.!]+)", line)
        assert match, f"not a name and a version: {line!r}"
        pins[match[1]] = match[2]
    for requirement in lock.requirements(PROJECT):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not pinned: run `make lock`"
        assert pins[name] in requirement.specifier, requirement


def test_nothing_names_a_package_index() -> None:
    # Spelled in pieces, so that this file does not name one either.
    hosts = [
        "pypi" + ".org",
        "python" + "hosted",
        "registry." + "npmjs",
        "download.py" + "torch.org",
    ]
    for path in [*committed_files(), ROOT / "constraints.txt", ROOT / "Makefile"]:
        text = path.read_text(encoding="utf-8")
        assert [host for host in hosts if host in text] == [], path


def test_every_extra_that_a_test_may_need_is_installed() -> None:
    # What `make mutants` needs it installs itself.
    installed = set(tasks.EXTRAS.split(","))
    assert installed == set(PROJECT["optional-dependencies"]) - {"mutation"}
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    named = re.findall(r'-e "\.\[([a-z,]+)\]"', workflow)
    assert named
    assert {frozenset(extras.split(",")) for extras in named} == {frozenset(installed)}


def test_supported_pythons_agree() -> None:
    """What is claimed in one place is claimed in all, and each version is tested."""
    versions = [
        line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)
    ]
    lowest, highest = versions[0], versions[-1]
    after = f"3.{int(highest.removeprefix('3.')) + 1}"
    assert PROJECT["requires-python"] == f">={lowest},<{after}"
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert document["tool"]["ruff"]["target-version"] == "py" + lowest.replace(".", "")
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["unit"]["strategy"]["matrix"]["python"] == versions
    ends = [tuple(int(part) for part in end.split(".")) for end in (lowest, highest)]
    assert ends[-1] == tasks.NEWEST_PYTHON
    script = (ROOT / "tools/tasks.py").read_text(encoding="utf-8")
    assert f"if sys.version_info < {ends[0]}:" in script
    assert script.count(f"Python {lowest} to {highest} is needed") == 2
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    assert " or ".join([", ".join(versions[:-1]), highest]) in english
    chinese = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    assert f"Python {'、'.join(versions[:-1])} 或 {highest}" in chinese


def test_every_pin_runs_on_the_first_and_the_last_supported_python() -> None:
    pins = re.findall(r"^([a-z0-9.-]+)==(.+)$", lock.CONSTRAINTS.read_text("utf-8"), re.MULTILINE)
    installed = {}
    for name, pinned in pins:
        # Elsewhere than in `make`'s environment other versions may be installed, or nothing.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(name)
            if Version(version).public == pinned:
                installed[name] = pinned
    assert lock.unfit(installed, lock.python_ends(PROJECT)) == []


def test_a_pin_that_needs_a_newer_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock.python_ends(PROJECT) == [Version("3.11.0"), Version("3.13.0")]
    metadata = Message()
    metadata["Requires-Python"] = ">=3.11.5"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: metadata)
    assert lock.unfit({"sieve": "4.1"}, lock.python_ends(PROJECT)) == [
        "sieve 4.1 needs Python >=3.11.5, and requires-python admits 3.11.0: "
        "install another sieve, or change requires-python."
    ]


def test_oldest_torch_is_tested() -> None:
    lowest = next(r for r in lock.requirements(PROJECT) if r.name == "torch").specifier
    (oldest,) = (bound.version for bound in lowest if bound.operator == ">=")
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert f"torch=={oldest}.*" in workflow


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no executable bit")
def test_ci_script_is_executable() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
