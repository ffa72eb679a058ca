"""The data sets from the command line, and the doctor."""

import shutil

import pytest

from aigc_tutorial import doctor, environment
from aigc_tutorial.cli.data import data_sets
from aigc_tutorial.data import TINY_SHAKESPEARE


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without data and without a network."""
    monkeypatch.delenv("AIGC_TUTORIAL_DATA", raising=False)
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    return tmp_path / "cache"


def test_every_data_set_is_listed_with_its_licence_and_place(nowhere, say):
    code, printed, _ = say("data")
    assert code == 0
    for name, resources in data_sets().items():
        assert f"{name}: " in printed
        assert resources[0].licence in printed
    assert printed.count("not here; downloaded when it is first needed") == len(data_sets())
    assert str(nowhere) in printed


def test_what_lies_here_is_told(nowhere, say, monkeypatch, tmp_path):
    first = data_sets()["tang"][0]
    for place in (nowhere, tmp_path / "own"):
        (place / first.filename).parent.mkdir(parents=True)
        (place / first.filename).touch()
    (tmp_path / "own" / "text").mkdir()
    (tmp_path / "own" / TINY_SHAKESPEARE.filename).touch()
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", str(tmp_path / "own"))
    _, printed, _ = say("data list")
    assert f"here: in {tmp_path / 'own'}" in printed
    assert f"1 of 58 files are in the cache {nowhere}" in printed


def test_data_that_cannot_be_fetched_are_told(nowhere, say):
    code, printed, complained = say("data fetch shakespeare")
    assert (code, printed) == (1, "")
    assert complained.startswith("aigc-tutorial: could not get tiny Shakespeare. Tried:")
    assert "Traceback" not in complained


def test_data_that_are_here_are_checked(nowhere, say, monkeypatch, tmp_path):
    path = tmp_path / "own" / TINY_SHAKESPEARE.filename
    path.parent.mkdir(parents=True)
    path.write_text("something else")
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", str(tmp_path / "own"))
    code, _, complained = say("data fetch shakespeare")
    assert code == 1
    assert "is not tiny Shakespeare" in complained
    shutil.rmtree(tmp_path / "own")


def test_the_doctor_says_what_it_found_by_its_exit_code_too(say, monkeypatch):
    check = doctor.Check("GAN, forward", 1e-7, 1e-4, 0.1)
    for checks, code, verdict in (
        ((check,), 0, "cpu can be trusted."),
        ((doctor.Check("GAN, forward", 1e-2, 1e-4, 0.1),), 1, "cpu cannot be trusted"),
    ):
        report = doctor.Diagnosis(environment.report(), "cpu", checks)
        monkeypatch.setattr(doctor, "examine", lambda device, found=report: found)
        found, printed, _ = say("doctor")
        assert found == code
        assert verdict in printed
        assert "differs by" in printed
