"""The environment like Colab's holds what Colab has and what the first cell adds, no more."""

import colab_environment
import lock
import pytest
import run_as_on_colab
import yaml
from colab_cell import PURE_PYTHON
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PINNED = colab_environment.pinned()
ADDED = {canonicalize_name(name) for name in PURE_PYTHON}
LENT = {canonicalize_name(distribution.name) for distribution in colab_environment.lent()}
PROJECT = lock.read_project()


def test_the_list_is_colab_s_and_has_a_date():
    head = colab_environment.PACKAGES.read_text(encoding="utf-8").splitlines()
    assert any("read on 20" in line for line in head if line.startswith("#"))
    assert PINNED["ipywidgets"] == "7.7.1"
    assert PINNED["ipython"] == "7.34.0"


def test_each_package_comes_from_one_place():
    assert not ADDED & set(PINNED), "the first cell installs what Colab has"
    assert not LENT & set(PINNED)
    assert not LENT & ADDED
    assert {"torch", "torchvision"} <= LENT


def test_what_the_package_requires_is_on_colab_or_added():
    required = {canonicalize_name(requirement.name) for requirement in lock.requirements(PROJECT)}
    base = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert base <= required
    assert base <= set(PINNED) | ADDED | LENT


def test_pages_are_chosen_by_name_or_by_their_widgets():
    every = {path.stem for path in run_as_on_colab.pages([])}
    with_widgets = {path.stem for path in run_as_on_colab.pages(["widgets"])}
    assert "05_4_results" in with_widgets < every
    assert {path.stem for path in run_as_on_colab.pages(["04_1_models"])} == {"04_1_models"}
    with pytest.raises(SystemExit, match="no page 04_1"):
        run_as_on_colab.pages(["04_1"])


def test_each_push_runs_every_page_with_widgets():
    workflow = run_as_on_colab.ROOT / ".github/workflows/tests.yml"
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    commands = [step.get("run") for job in jobs.values() for step in job["steps"]]
    assert "make colab PAGES=widgets" in commands


def test_other_pythons_are_told_so(monkeypatch, capsys):
    monkeypatch.setattr(colab_environment, "PYTHONS", ((3, 1),))
    assert colab_environment.main([]) == 0
    assert "they are for Python 3.1, this is" in capsys.readouterr().out
