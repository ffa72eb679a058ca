"""The first page says when everything was last verified, and a copy does not claim it."""

from pathlib import Path

import pytest
import yaml
from aigc_book import repository, verified
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

RUN = "https://github.com/aigc-tutorial/aigc_tutorial/actions/runs/1"


def test_what_the_workflow_verified_is_told_with_its_day_and_its_run() -> None:
    said = verified.sentence(f"2026-11-30T16:43:05Z {RUN}", "version 1, commit abc")
    assert said.startswith("Last verified on 30 November 2026:")
    assert said.endswith(f"[this run]({RUN}) of version 1, commit abc.")


def test_a_copy_says_that_it_is_one() -> None:
    said = verified.sentence("", "version 1")
    assert said.startswith("This is a copy of version 1")
    assert "Last verified" not in said


@pytest.mark.parametrize("value", ["yes", "2026-11-30", f"yesterday {RUN}", "2026-11-30T16:43 no"])
def test_another_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be a time and the address of a run"):
        verified.sentence(value, "version 1")


def test_where_there_is_no_commit_the_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ", commit " in verified.state_of_repository()
    monkeypatch.setattr(verified, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert verified.state_of_repository() == f"version {repository.version()}"
    monkeypatch.setenv("PATH", "")
    assert verified.state_of_repository() == f"version {repository.version()}"


def test_the_page_bears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(verified.VARIABLE, f"2026-11-30T16:43:05Z {RUN}")
    (tmp_path / "index.md").write_text("# Book\n\n```{verified}\n```\n")
    app = Sphinx(
        tmp_path, None, tmp_path / "out", tmp_path / "trees", "html", status=None,
        confoverrides={"extensions": ["myst_parser", "aigc_book.verified"]},
    )  # fmt: skip
    app.build()
    soup = BeautifulSoup((tmp_path / "out" / "index.html").read_text("utf-8"), "html.parser")
    assert [link.text for link in soup.select(f'a[href="{RUN}"]')] == ["this run"]
    assert "```{verified}" in (repository.BOOK / "index.md").read_text(encoding="utf-8")


def test_only_what_passed_all_tests_is_published_and_called_verified() -> None:
    workflow = repository.ROOT / ".github/workflows/book.yml"
    book = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    # YAML reads the key `on` as a truth value.
    assert book[True] == {
        "workflow_run": {"workflows": ["tests"], "types": ["completed"], "branches": ["main"]}
    }
    job = book["jobs"]["publish"]
    assert job["if"] == "github.event.workflow_run.conclusion == 'success'"
    assert job["steps"][0]["with"] == {"ref": "${{ github.event.workflow_run.head_sha }}"}
    (make,) = (step for step in job["steps"] if step.get("run") == "make book")
    assert set(make["env"]) == {verified.VARIABLE}
