"""Searching for settings from the command line."""

import math
import shlex
from typing import Any

import pytest
import torch

from aigc_tutorial import adaptation, cli
from aigc_tutorial.adaptation import Choice, Integers, LogUniform, Uniform
from aigc_tutorial.cli import searching
from aigc_tutorial.cli.searching import flags_of_settings, ranges_of
from aigc_tutorial.data import mnist_sample
from aigc_tutorial.gan.recipes import MNIST_CONV, Recipe

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


def test_a_setting_with_two_ranges_is_told(say):
    code, _, complained = say("search characters --folder x --space a=1..2 b=1..2 a=3..4")
    assert code == 2
    assert "--space gives a two ranges" in complained


@pytest.mark.parametrize("value", [True, False])
def test_truth_values_that_were_found_are_flags_that_there_are(value):
    name = "discriminator_config.spectral_norm"
    words = flags_of_settings({name: value}, MNIST_CONV)
    found: Any = cli.parse(["train", "gan", "mnist-conv", *words])
    assert found.discriminator.spectral_norm == value
    on = adaptation.with_settings(MNIST_CONV, {name: True})
    assert ("--discriminator.no-spectral-norm" in flags_of_settings({name: value}, on)) != value


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


def test_a_search_of_no_trial_is_refused(text, tmp_path, say):
    line = SMALL.replace("--n-trials 3", "--n-trials 0")
    code, _, complained = say(f"{line} --text '{text}' --folder {tmp_path / 'search'}")
    assert code != 0
    assert "n_trials must be at least 1" in complained
    assert not (tmp_path / "search").exists()


def test_sizes_that_do_not_fit_each_other_fail_their_trial_and_say_why(text, tmp_path, say):
    pytest.importorskip("optuna")
    line = SMALL.replace("--n-trials 3", "--n-trials 6").replace("n_layers=1,2", "n_heads=2,3")
    code, printed, complained = say(f"{line} --text '{text}' --folder {tmp_path / 'search'}")
    assert (code, complained) == (0, "")
    trials = [row for row in printed.splitlines() if "model_config.width=" in row]
    assert len(trials) == 6
    failed = [row for row in trials if "failed" in row]
    assert len(failed) == sum("n_heads=3" in row for row in trials) > 0
    assert all(" head" in row.partition("  (")[2] for row in failed)


def test_a_search_that_is_stopped_says_how_to_go_on(text, tmp_path, say, monkeypatch):
    pytest.importorskip("optuna")

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aigc_tutorial.cli.search_ar.Recipe.train", stop)
    code, _, complained = say(f"{SMALL} --text '{text}' --folder {tmp_path / 'search'}")
    assert code == 130
    assert "the trials that ended are kept in" in complained
    assert "To go on: aigc-tutorial search characters --n-trials 3" in complained


def test_a_setting_that_there_is_not_is_told(text, tmp_path, say):
    pytest.importorskip("optuna")
    line = SMALL.replace("model_config.width", "model_config.breadth")
    code, _, complained = say(f"{line} --text '{text}' --folder {tmp_path / 'search'}")
    assert code == 1
    assert "there is no setting model_config.breadth" in complained


def test_a_gan_is_searched_by_digits_that_it_does_not_learn_from(monkeypatch, tmp_path, say):
    pytest.importorskip("optuna")
    seen: list[Any] = []
    judges: list[Any] = []
    few = mnist_sample()

    def train(recipe: Any, rows: Any, **options: Any) -> Any:
        seen.append(rows)
        result = real_train(recipe, rows, **options)
        judges.append(result.validation["n_images"])
        return result

    real_train = Recipe.train
    monkeypatch.setattr(Recipe, "train", train)
    line = (
        "search mnist-mlp --data mnist-sample --n-images 320 --n-trials 2 --sampler random "
        f"--device cpu --folder {tmp_path / 'search'} --space "
        "training.learning_rate_generator=log:1e-4..1e-2 generator_config.latent_dim=8,16"
    )
    code, printed, complained = say(line)
    assert (code, complained) == (0, "")
    assert [len(rows) for rows in seen] == [3200, 3200]
    assert torch.equal(seen[0], few.images[:3200])
    assert judges == [[64, 128, 192, 256, 320]] * 2
    assert "from the 800 digits held out" in printed
    found: Any = cli.parse(shlex.split(printed.splitlines()[-1])[1:])
    assert (found.recipe, found.data) == ("mnist-mlp", "mnist-sample")
    assert found.generator.latent_dim in (8, 16)
    assert 1e-4 <= found.training.learning_rate_generator <= 1e-2
    assert say(line)[1] == printed  # nothing is left to try


def test_what_decided_is_told_where_enough_trials_are_complete(capsys):
    pytest.importorskip("optuna")

    def told(n_trials: int, weight: float) -> str:
        found = adaptation.search(
            lambda config, report: weight * abs(math.log10(config.learning_rate_head) + 2),
            adaptation.FineTuningConfig(),
            {"learning_rate_head": LogUniform(1e-4, 1.0), "weight_decay": Uniform(0.0, 0.5)},
            n_trials=n_trials,
            sampler="random",
            progress_bar=False,
        )
        searching.tell(found, "nats", ["train"], adaptation.FineTuningConfig())
        return str(capsys.readouterr().out)

    rows = told(20, 1.0).partition("What decided among the 20 complete trials")[2].splitlines()
    assert rows[1].split()[0] == "learning_rate_head"
    assert 51 < int(rows[1].split()[-2]) == 100 - int(rows[2].split()[-2])
    assert "What decided" not in told(9, 1.0) + told(20, 0.0)
