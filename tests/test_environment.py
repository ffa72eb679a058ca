"""What the machine has, what is missing, and what to type."""

import importlib.metadata
import subprocess
import sys
from email.message import Message

import pytest
import torch

from aigc_tutorial import environment
from aigc_tutorial.environment import MissingDependencyError, Report


@pytest.fixture
def metadata(monkeypatch):
    """The metadata of a package as if it were installed, with one address."""
    message = Message()
    message["Project-URL"] = "Documentation, https://example.org/book"
    message["Project-URL"] = "Repository, https://example.org/code"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: message)
    return message


def test_require_returns_the_module():
    import json.decoder

    assert environment.require("json.decoder", extra="book") is json.decoder


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_module_is_named_with_its_command(module, metadata):
    with pytest.raises(MissingDependencyError) as error:
        environment.require(module, extra="book")
    assert error.value.name == "no_such_package"
    assert "no_such_package is needed" in str(error.value)
    assert 'pip install "aigc_tutorial[book] @ git+https://example.org/code"' in str(error.value)
    assert isinstance(error.value, ImportError)


def test_a_missing_submodule_of_an_installed_package_is_reported_too(metadata):
    with pytest.raises(MissingDependencyError, match=r"json\.no_such_part"):
        environment.require("json.no_such_part", extra="book")


def test_an_installed_module_that_lacks_its_own_dependency_raises_its_own_error(
    tmp_path, monkeypatch
):
    (tmp_path / "module_that_needs_more.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package") as error:
        environment.require("module_that_needs_more", extra="book")
    assert not isinstance(error.value, MissingDependencyError)


def test_repository_url_is_read_from_the_metadata(metadata):
    assert environment.repository_url() == "https://example.org/code"


def test_a_package_without_an_address_says_so(metadata):
    del metadata["Project-URL"]
    with pytest.raises(LookupError, match="Repository"):
        environment.repository_url()
    assert environment.install_command("book") == ('python -m pip install "aigc_tutorial[book]"')


def test_a_package_that_is_not_installed_says_so(monkeypatch):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", not_installed)
    with pytest.raises(LookupError, match="not installed"):
        environment.repository_url()


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_device_prefers_the_fastest(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert environment.device() == torch.device(expected)


def test_colab_is_recognised(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    assert not environment.is_colab()
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-external")
    assert environment.is_colab()


def test_report_tells_what_is_there_and_what_is_missing(monkeypatch, metadata):
    requirements = [
        "torch>=2.9",
        "no-such-package>=1",
        'another-missing-one; extra == "book"',
        'only-for-tests; extra == "test"',
        'only-for-old-python; python_version < "3"',
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: requirements)
    report = environment.report()
    assert report.versions == {"torch": importlib.metadata.version("torch")}
    assert report.missing == ("another-missing-one", "no-such-package")
    assert report.install == environment.install_command("book")
    assert report.devices[-1] == "cpu"
    assert report.n_threads == torch.get_num_threads()
    assert report.python == ".".join(map(str, sys.version_info[:3]))


def test_report_with_nothing_missing_names_no_command(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["torch"])
    report = environment.report()
    assert report.missing == ()
    assert report.install is None
    assert "Missing" not in str(report)


def test_report_works_from_a_folder_that_is_not_installed(monkeypatch):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", not_installed)
    assert list(environment.report().versions) == ["torch", "numpy"]


def test_report_prints_as_text_markdown_and_html():
    report = Report(
        python="3.12.1",
        system="Plan 9 <fourth|edition>",
        devices=("cuda:0 (H)", "cpu"),
        n_threads=2,
        versions={"torch": "2.9"},
        missing=("pooch",),
        install='pip install "x"',
    )
    lines = str(report).splitlines()
    assert lines[0].split() == ["Python", "3.12.1"]
    assert {line.index(value) for line, (_, value) in zip(lines, report.rows(), strict=True)} == {
        len("Install with") + 2
    }
    markdown = report._repr_markdown_().splitlines()
    assert markdown[:2] == ["| | |", "|---|---|"]
    assert r"| System | Plan 9 <fourth\|edition> |" in markdown
    page = report._repr_html_()
    assert "&lt;fourth|edition&gt;" in page
    assert page.count("<tr>") == len(report.rows())


def test_importing_it_needs_no_optional_package():
    code = (
        "import sys, aigc_tutorial.environment, aigc_tutorial.data\n"
        "heavy = {'pooch', 'requests', 'torchvision', 'mlxtend', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
