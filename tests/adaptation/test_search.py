"""A search: its space, its trials, what ends them, what is kept of them and told about them."""

import contextlib
import dataclasses
import inspect
import math
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from aigc_tutorial import adaptation, ar
from aigc_tutorial.adaptation import Choice, Integers, LogUniform, Uniform, with_settings
from aigc_tutorial.ar.recipes import Recipe
from aigc_tutorial.environment import MissingDependencyError
from aigc_tutorial.evaluation.likelihood import text_likelihood
from tests.adaptation import search_worker
from tests.adaptation.search_worker import Inner, Outer

ROOT = Path(__file__).resolve().parents[2]
START = adaptation.FineTuningConfig()
RATE = {"learning_rate_head": LogUniform(1e-4, 1.0)}


def search(objective: Any, space: Any = RATE, config: Any = START, **options: Any) -> Any:
    # As where no types are checked: the doors are tried too.
    unchecked = inspect.unwrap(adaptation.search)
    return unchecked(objective, config, space, progress_bar=False, **options)


def quadratic(config: Any, report: Any) -> float:
    return (math.log10(config.learning_rate_head) + 2) ** 2


def settings_of(result: Any) -> list[dict[str, Any]]:
    return [trial.settings for trial in result.trials]


def test_trials_cover_the_space_and_leave_the_rest():
    space = {
        "learning_rate_head": LogUniform(1e-4, 1.0),
        "weight_decay": Uniform(0.0, 0.5),
        "batch_size": Integers(1, 4),
        "max_gradient_norm": Choice((None, 0.5, 1.0)),
    }
    configs = []

    def objective(config, report):
        configs.append(config)
        return 0.0

    result = search(objective, space, n_trials=300, sampler="random")
    logs = torch.tensor([math.log10(c.learning_rate_head) for c in configs])
    assert -4 <= logs.min() < -3.9
    assert -0.1 < logs.max() <= 0
    assert abs(float(logs.mean()) + 2) < 0.2
    decays = torch.tensor([c.weight_decay for c in configs])
    assert abs(float(decays.mean()) - 0.25) < 0.03
    assert 0 <= decays.min() < decays.max() <= 0.5
    assert {c.batch_size for c in configs} == {1, 2, 3, 4}
    assert {c.max_gradient_norm for c in configs} == {None, 0.5, 1.0}
    rest = {field.name for field in dataclasses.fields(START)} - set(space)
    assert all(getattr(c, name) == getattr(START, name) for c in configs for name in rest)
    assert [trial.settings for trial in result.trials] == [
        {name: getattr(config, name) for name in space} for config in configs
    ]


def test_settings_are_replaced_within_configurations():
    config = Outer()
    assert with_settings(config, {"inner.size": 5, "rest": 8}) == Outer(Inner(size=5), rest=8)
    assert config == Outer()
    for name, message in (
        ("inner.depth", "no setting inner.depth: a Inner has rate, size, kind"),
        ("outer.size", "a Outer has inner, rest"),
        ("rest.size", "a int has no settings"),
    ):
        with pytest.raises(ValueError, match=message):
            with_settings(config, {name: 1})
    with pytest.raises(TypeError, match="which is a dataclass"):
        with_settings({"size": 1}, {"size": 2})


def test_a_space_that_does_not_fit_is_refused_before_the_first_trial():
    def objective(config, report):
        raise AssertionError

    for space, message in (
        ({}, "nothing to search"),
        ({"batch_size": Integers(0, 4)}, "lets batch_size be 0, which fails: batch_size must be"),
        ({"betas": Choice((0.1, 0.2))}, "lets betas be 0.1"),
        ({"size": Integers(0, 4)}, "no setting size"),
        ({"batch_size": (1, 4)}, "must be a Uniform"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            search(objective, space, n_trials=1)
    for kind, ends in ((Uniform, (1, 1)), (LogUniform, (0, 1)), (Integers, (2, 1))):
        with pytest.raises(ValueError, match="must be above"):
            kind(*ends)
    with pytest.raises(ValueError, match="low must be at least 1"):
        Integers(0, 4, log=True)
    with pytest.raises(ValueError, match="each of them once"):
        Choice((1, 1))
    with pytest.raises(TypeError, match="numbers, texts"):
        Choice(((1, 2), (3, 4)))
    with pytest.raises(ValueError, match="n_trials, how many to make, or budget"):
        search(objective)
    with pytest.raises(ValueError, match="n_trials must be at least 1"):
        search(objective, n_trials=0)


def test_the_best_complete_trial_is_the_result():
    result = search(quadratic, n_trials=25, seed=1)
    values = [trial.value for trial in result.trials]
    assert result.value == min(values)
    best = result.trials[values.index(min(values))]
    assert result.settings == best.settings
    assert result.config == with_settings(START, best.settings)
    assert [trial.order for trial in result.trials] == list(range(25))
    curve = [value for _, value in result.best_so_far()]
    assert curve == [min(values[: i + 1]) for i in range(25)]


def test_tpe_comes_nearer_than_random_on_a_smooth_valley():
    def valley(config, report):
        return (math.log10(config.learning_rate_head) + 2) ** 2 + (
            math.log10(config.learning_rate_backbone) + 3
        ) ** 2

    space = {
        name: LogUniform(1e-5, 1.0) for name in ("learning_rate_head", "learning_rate_backbone")
    }
    means = {
        sampler: sum(
            search(valley, space, n_trials=40, sampler=sampler, seed=seed).value
            for seed in range(5)
        )
        / 5
        for sampler in ("tpe", "random")
    }
    assert means["tpe"] < 0.5 * means["random"]


def test_the_seed_decides_what_is_tried():
    for sampler in ("tpe", "random"):
        one, same, other = (
            settings_of(search(quadratic, n_trials=12, sampler=sampler, seed=seed))
            for seed in (0, 0, 1)
        )
        assert one == same
        assert one != other


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_goes_on_where_it_was_interrupted(sampler, tmp_path):
    whole = search(quadratic, n_trials=12, sampler=sampler)

    def run(n_until_interrupted: int) -> Any:
        left = [n_until_interrupted]

        def interrupted(config, report):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return quadratic(config, report)

        options = {"n_trials": 12, "sampler": sampler, "storage": tmp_path / "a" / "search.db"}
        return search(interrupted, **options)

    for n in (5, 0):
        with pytest.raises(KeyboardInterrupt) as caught:
            run(n)
        assert "in the trial of {'learning_rate_head'" in caught.value.__notes__[0]
    resumed = run(100)
    assert settings_of(resumed) == settings_of(whole)
    assert resumed.value == whole.value
    assert settings_of(run(0)) == settings_of(whole)  # nothing is left to do


def worker(*arguments: Any) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.adaptation.search_worker", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_killed_worker_leaves_one_trial_which_is_tried_again(tmp_path):
    storage = tmp_path / "search.db"
    with worker(storage, "tpe", 8, 5) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        process.kill()
    search_worker.tried.clear()
    resumed = search_worker.run(str(storage), "tpe", 8)
    assert len(search_worker.tried) == 3
    assert settings_of(resumed) == settings_of(search_worker.run(None, "tpe", 8))
    assert {trial.state for trial in resumed.trials} == {"complete"}
    assert {path.name for path in tmp_path.iterdir()} == {"search.db", "search.db.lock"}


def test_a_lock_that_another_worker_looks_at_may_stay(tmp_path, monkeypatch):
    """On Windows a file that is open cannot be removed."""

    def refused(path, missing_ok=False):
        raise PermissionError(f"{path} is used by another process")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        result = search_worker.run(str(tmp_path / "search.db"), "random", 2)
    assert [trial.state for trial in result.trials] == ["complete"] * 2


def test_two_workers_share_the_trials_of_one_search(tmp_path):
    storage = tmp_path / "search.db"
    workers = [worker(f"sqlite:///{storage}", "random", 20) for _ in range(2)]
    for process in workers:
        with process:
            assert process.wait(timeout=240) == 0
    search_worker.tried.clear()
    together = search_worker.run(str(storage), "random", 20)
    assert search_worker.tried == []
    assert [trial.order for trial in together.trials] == list(range(20))
    assert settings_of(together) == settings_of(search_worker.run(None, "random", 20))
    names = {trial.user_attrs["worker"] for trial in together.study.trials}
    assert len(together.study.trials) == 20
    assert len(names) == 2


def test_a_trial_of_a_living_worker_is_left_alone(tmp_path):
    storage = tmp_path / "search.db"

    def outer(config, report):
        if depth:
            return 0.0
        depth.append(1)
        inner = search(outer, n_trials=3, sampler="random", storage=storage)
        assert [trial.state for trial in inner.trials] == ["running", "complete", "complete"]
        return 1.0

    depth: list[int] = []
    result = search(outer, n_trials=3, sampler="random", storage=storage)
    assert [trial.state for trial in result.trials] == ["complete"] * 3


def test_another_search_in_the_same_file_is_refused(tmp_path):
    options: dict[str, Any] = {"n_trials": 2, "storage": tmp_path / "search.db"}
    search(quadratic, **options)
    for change, name in (
        ({"seed": 1}, "seed"),
        ({"sampler": "random"}, "sampler"),
        ({"space": {"learning_rate_head": LogUniform(1e-3, 1.0)}}, "space"),
        ({"config": adaptation.FineTuningConfig(batch_size=4)}, "configuration"),
        ({"pruning": adaptation.MedianPruning()}, "pruning"),
    ):
        with pytest.raises(ValueError, match=f"holds another search: its {name}"):
            search(quadratic, **options | change)
    assert len(search(quadratic, **options | {"n_trials": 3}).trials) == 3
    with pytest.raises(ValueError, match="its objective"):
        search(lambda config, report: 0.0, **options)
    assert {path.name for path in tmp_path.iterdir()} == {"search.db", "search.db.lock"}
    with pytest.raises(IsADirectoryError):
        search(quadratic, n_trials=1, storage=tmp_path)
    with pytest.raises(ValueError, match="the file of an SQLite database"):
        search(quadratic, n_trials=1, storage="postgresql://localhost/search")


def test_the_same_objective_on_other_data_is_another_search(tmp_path):
    def run(data: torch.Tensor) -> Any:
        def objective(config, report):
            return float(data.sum())

        return search(objective, n_trials=1, sampler="random", storage=tmp_path / "search.db")

    run(torch.ones(3))
    run(torch.ones(3))
    with pytest.raises(ValueError, match="its objective"):
        run(torch.zeros(3))


def test_settings_that_fit_each_other_are_replaced_together():
    # Alone, a warm-up of 0.5 does not fit rates that fall from 0.4 of the budget on.
    both = with_settings(START, {"warmup": 0.5, "flat_until": 0.8})
    assert (both.warmup, both.flat_until) == (0.5, 0.8)
    space = {"warmup": Uniform(0.0, 0.6), "flat_until": Uniform(0.6, 0.9)}
    result = search(lambda config, report: 0.0, space, n_trials=5)
    assert {trial.state for trial in result.trials} == {"complete"}
    with pytest.raises(ValueError, match=r"lets warmup be 0.95, which fails"):
        search(quadratic, space | {"warmup": Uniform(0.0, 0.95)}, n_trials=1)


def test_settings_that_do_not_fit_each_other_fail_their_trial_alone(tmp_path):
    space = {"warmup": Uniform(0.0, 0.4), "flat_until": Uniform(0.05, 0.9)}
    options = {"n_trials": 30, "sampler": "random", "storage": tmp_path / "search.db"}
    result = search(lambda config, report: 0.0, space, **options)
    assert len(result.trials) == 30
    wrong = [t for t in result.trials if t.settings["warmup"] > t.settings["flat_until"]]
    assert list(result.failed) == wrong != []
    assert all("warmup must be at most flat_until" in str(trial.failure) for trial in wrong)


@pytest.mark.parametrize("kind", [Uniform, LogUniform])
def test_numbers_anywhere_for_a_whole_number_are_refused_before_the_first_trial(kind):
    with pytest.raises(TypeError, match=r"lets batch_size be .*must be a whole number"):
        search(quadratic, {"batch_size": kind(1.0, 8.0)}, n_trials=1)


@pytest.mark.parametrize("name", ["what?", "a%41b", "#1", "ä ö", "a@b:c"])
def test_a_folder_may_have_any_name(name, tmp_path):
    path = tmp_path / name / "search.db"
    search(quadratic, n_trials=2, storage=path)
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert {found.name for found in path.parent.iterdir()} == {"search.db", "search.db.lock"}
    assert len(search(quadratic, n_trials=3, storage=path).trials) == 3


def test_a_database_where_a_file_is_in_the_way_is_told(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(NotADirectoryError, match="notes is a file, and a folder is needed there"):
        search(quadratic, n_trials=1, storage=tmp_path / "notes" / "search.db")


def test_functions_in_a_configuration_are_part_of_a_search(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Holding:
        function: Any
        rate: float = 0.1

    def begin(function: Any) -> Any:
        space, path = {"rate": Uniform(0.0, 1.0)}, tmp_path / "search.db"
        return search(
            lambda config, report: 0.0, space, Holding(function), n_trials=1, storage=path
        )

    begin(lambda x: x)
    with pytest.raises(ValueError, match="holds another search: its configuration is"):
        begin(lambda x: 2 * x)


def test_a_budget_that_is_never_spent_is_told():
    with pytest.raises(ValueError, match=r"reported no data, .*call report\(loss, n_seen\)"):
        search(quadratic, budget=100)


def test_what_is_no_loss_and_no_pruning_is_told():
    for nothing in (None, [1.0], torch.ones(2)):
        with pytest.raises(TypeError, match=r"must return and report its loss, a number, got"):
            search(lambda config, report, found=nothing: found, n_trials=1)
    with pytest.raises(TypeError, match=r"pruning must be a MedianPruning, .* got 'median'"):
        search(quadratic, n_trials=1, pruning="median")


def test_a_damaged_or_a_strangers_database_is_told(tmp_path):
    path = tmp_path / "search.db"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(ValueError, match=r"search.db is damaged, or no SQLite database \(file is"):
        search(quadratic, n_trials=1, storage=path)
    assert path.read_bytes() == b"no database" * 500
    optuna = pytest.importorskip("optuna")
    own = tmp_path / "own.db"
    study = optuna.create_study(storage=f"sqlite:///{own}", study_name="search")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 2)
    with pytest.raises(ValueError, match="a study called 'search' of another program"):
        search(quadratic, n_trials=1, storage=own)
    assert len(study.get_trials()) == 2


def test_a_database_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("aigc_tutorial.adaptation.study._SECONDS_FOR_A_WRITE", 0.1)
    path = tmp_path / "search.db"

    def locked(config: Any, report: Any) -> float:
        holder.execute("BEGIN EXCLUSIVE")
        return 0.0

    with contextlib.closing(sqlite3.connect(path)) as holder:
        with pytest.raises(OSError, match=r"cannot be read or written .*locked.* are kept"):
            search(locked, n_trials=1, storage=path)
        holder.rollback()


def test_a_trial_that_diverges_has_failed_and_is_told():
    def objective(config, report):
        if config.learning_rate_head > 0.1:
            raise FloatingPointError("the loss is inf after 300 tokens")
        if config.learning_rate_head > 0.01:
            return math.nan
        return config.learning_rate_head

    result = search(objective, n_trials=20, sampler="random")
    assert len(result.trials) == 20
    failed = [trial for trial in result.trials if trial.settings["learning_rate_head"] > 0.01]
    assert list(result.failed) == failed
    assert {trial.failure for trial in failed} == {
        "the loss is inf after 300 tokens",
        "the loss is nan at the end",
    }
    complete = 20 - len(failed)
    assert str(result).startswith("20 trials (")
    assert f"{complete} complete" in str(result)
    assert str(result).count("the loss is") == len(failed)
    with pytest.raises(RuntimeError, match=r"none of 3 trials was completed .*the loss is nan"):
        search(lambda config, report: math.nan, n_trials=3)


def test_a_fault_of_the_objective_is_raised_with_the_settings_and_not_counted(tmp_path):
    faults = [True]

    def objective(config, report):
        if faults:
            raise KeyError("text")
        return 0.0

    options: dict[str, Any] = {"n_trials": 2, "storage": tmp_path / "search.db"}
    with pytest.raises(KeyError) as caught:
        search(objective, **options)
    assert "in the trial of {'learning_rate_head'" in caught.value.__notes__[0]
    faults.clear()
    result = search(objective, **options)
    assert [trial.state for trial in result.trials] == ["complete", "complete"]


def stepwise(config: Any, report: Any) -> float:
    loss = quadratic(config, report)
    for step in range(1, 10):
        report(loss + 1 / step, 100 * step)
    return loss


@pytest.mark.parametrize(
    "pruning", [adaptation.MedianPruning(4, 150), adaptation.HyperbandPruning(100, 900)]
)
def test_trials_without_prospects_end_early(pruning):
    plain = search(stepwise, n_trials=30, sampler="random")
    pruned = search(stepwise, n_trials=30, sampler="random", pruning=pruning)
    assert settings_of(pruned) == settings_of(plain)
    assert {trial.state for trial in plain.trials} == {"complete"}
    assert plain.n_seen == 30 * 900
    short = [trial for trial in pruned.trials if trial.state == "pruned"]
    assert 5 <= len(short) <= 28
    assert pruned.n_seen < 0.8 * plain.n_seen
    assert all(trial.n_seen <= 900 and trial.value is not None for trial in short)
    assert pruned.value == min(t.value for t in pruned.trials if t.state == "complete")
    if isinstance(pruning, adaptation.MedianPruning):
        assert pruned.value == plain.value
        assert min(trial.n_seen for trial in short) >= 200
        assert all(trial.state == "complete" for trial in pruned.trials[:4])


def test_a_budget_of_data_ends_the_search(tmp_path):
    kept = {"storage": tmp_path / "search.db"}
    result = search(stepwise, budget=3_000, **kept)
    assert len(result.trials) == 4  # of 900 each: the last begins before the budget is spent
    assert result.n_seen == 3_600
    assert [n for n, _ in result.best_so_far()] == [900, 1_800, 2_700, 3_600]
    assert len(search(stepwise, budget=3_000, **kept).trials) == 4
    assert len(search(stepwise, budget=3_000, n_trials=2).trials) == 2


def test_reports_are_finite_and_go_forward():
    def backwards(config, report):
        report(1.0, 200)
        report(1.0, 100)
        return 1.0

    with pytest.raises(ValueError, match="n_seen must be at least 201, got 100"):
        search(backwards, n_trials=1)

    def infinite(config, report):
        if report.n_seen == 0 and config.learning_rate_head < 0.01:
            report(math.inf, 100)
        return 1.0

    result = search(infinite, n_trials=10, sampler="random")
    assert {trial.failure for trial in result.failed} == {"the loss is inf after 100"}


def test_importances_name_what_matters():
    space = RATE | {"weight_decay": Uniform(0.0, 0.5), "batch_size": Integers(1, 32)}
    shares = search(quadratic, space, n_trials=40, sampler="random").importances()
    assert next(iter(shares)) == "learning_rate_head"
    assert shares["learning_rate_head"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)
    with pytest.raises(ValueError, match="need four complete trials"):
        search(quadratic, n_trials=3).importances()
    with pytest.raises(ValueError, match="all 5 complete trials reached 1: no setting decided"):
        search(lambda config, report: 1.0, n_trials=5).importances()


def test_a_recipe_is_searched_and_its_worst_trainings_are_cut_short():
    text = torch.arange(600) % 7
    recipe = Recipe(
        name="tiny",
        model_class=ar.Transformer,
        model_config=ar.TransformerConfig(7, context=6, n_layers=1, n_heads=1, width=8),
        training=ar.ARTrainingConfig(n_tokens=1_000, batch_size=8, warmup_tokens=0),
    )

    def objective(recipe, report):
        places = iter(range(200, 1_001, 200))

        def validation(model):
            nll = text_likelihood(model, text, context=6).nats_per_token
            report(nll, next(places))
            return nll

        result = recipe.train(text, validation=validation, validate_every=200, progress_bar=False)
        return min(result.validation["nll"])

    space = {
        "training.learning_rate_matrices": LogUniform(1e-4, 0.1),
        "training.learning_rate_others": LogUniform(1e-4, 0.1),
    }
    options: dict[str, Any] = {"n_trials": 8, "pruning": adaptation.MedianPruning(2)}
    result = search(objective, space, recipe, **options)
    assert {trial.state for trial in result.trials} == {"complete", "pruned"}
    assert result.config.training.learning_rate_others == pytest.approx(
        result.settings["training.learning_rate_others"]
    )
    assert result.config.model_config == recipe.model_config
    assert settings_of(search(objective, space, recipe, **options)) == settings_of(result)


def test_without_optuna_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"aigc_tutorial\[search\]"):
        search(quadratic, n_trials=1)
