"""Searching for settings from the command line."""

import shlex
from typing import Any

import pytest

from aigc_tutorial import cli
from aigc_tutorial.adaptation import Choice, Integers, LogUniform, Uniform
from aigc_tutorial.cli.search import ranges_of

SMALL = (
    "search characters --n-trials 3 --n-tokens 1000 --sampler random --device cpu "
    "--space model_config.width=16,32 model_config.n_layers=1,2 "
    "training.learning_rate_matrices=log:0.003..0.05"
)


def test_ranges_are_written_in_three_ways():
    assert ranges_of(["a=1..5", "b=log:1..64", "c=0.5..2", "d=log:1e-4..1e-2", "e=1,2,none"]) == {
        "a": Integers(1, 5),
        "b": Integers(1, 64, log=True),
        "c": Uniform(0.5, 2.0),
        "d": LogUniform(1e-4, 1e-2),
        "e": Choice((1, 2, None)),
    }


@pytest.mark.parametrize("text", ["a", "a=1", "a=5..1", "a=log:0.0..1.0", "a=1,1"])
def test_what_is_no_range_is_told(text, say):
    code, _, complained = say(f"search characters --folder x --space {text}")
    assert code == 2
    assert f"--space '{text}' is no range" in complained


def test_a_search_ends_in_the_command_that_trains_with_what_it_found(text, tmp_path, say):
    pytest.importorskip("optuna")
    line = f"{SMALL} --text '{text}' --folder {tmp_path / 'search'}"
    code, printed, complained = say(line)
    assert (code, complained) == (0, "")
    trials = [row for row in printed.splitlines() if "model_config.width=" in row]
    assert len(trials) == 3
    command = printed.splitlines()[-1]
    found: Any = cli.parse(shlex.split(command)[1:])
    assert found.model.width in (16, 32)
    assert 0.003 <= found.training.learning_rate_matrices <= 0.05
    assert found.text == text

    assert say(line)[1] == printed  # nothing is left to try
    code, _, complained = say(line.replace("--n-tokens 1000", "--n-tokens 2000"))
    assert code == 1
    assert "holds another run: its n_tokens is 1000, and 2000 is wanted" in complained


def test_a_setting_that_there_is_not_is_told(text, tmp_path, say):
    pytest.importorskip("optuna")
    line = SMALL.replace("model_config.width", "model_config.breadth")
    code, _, complained = say(f"{line} --text '{text}' --folder {tmp_path / 'search'}")
    assert code == 1
    assert "there is no setting model_config.breadth" in complained
