"""A checkpoint returns what it was given, or says why it cannot."""

import random
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.tensors import save_tensors
from aigc_tutorial.training import load_checkpoint, save_checkpoint
from aigc_tutorial.training.checkpoint import (
    check_settings,
    checkpoint_folder_in_use,
    checkpoint_path,
)

# No subnormal floats: the engine's tests switch them off for the whole process.
floats = st.floats(-1e9, 1e9, allow_subnormal=False)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | floats


def holding(inner: st.SearchStrategy) -> st.SearchStrategy:
    keys = st.integers() | st.text()
    rows = st.lists(inner, max_size=4)
    return inner | rows | rows.map(tuple) | st.dictionaries(keys, inner, max_size=4)


trees = holding(holding(holding(leaves)))


@given(value=trees)
def test_every_tree_comes_back_equal(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("checkpoint") / "c"
    save_checkpoint(folder, {"value": value})
    loaded = load_checkpoint(folder)["value"]
    assert loaded == value
    assert repr(loaded) == repr(value)  # tells tuples from lists and 1 from True


def test_optimizer_continues_with_the_same_bits(tmp_path):
    def make():
        parameter = torch.nn.Parameter(torch.arange(4.0))
        return parameter, torch.optim.Adam([parameter], lr=0.1, betas=(0.5, 0.9), fused=True)

    def step(parameter, optimizer):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()

    parameter, optimizer = make()
    step(parameter, optimizer)
    state = {"optimizer": optimizer.state_dict(), "parameter": parameter.detach()}
    save_checkpoint(tmp_path / "c", state)
    loaded = load_checkpoint(tmp_path / "c")
    other, other_optimizer = make()
    other.data.copy_(loaded["parameter"])
    other_optimizer.load_state_dict(loaded["optimizer"])
    for _ in range(3):
        step(parameter, optimizer)
        step(other, other_optimizer)
    assert torch.equal(parameter, other)


def test_shared_and_strided_tensors_survive(tmp_path):
    base = torch.arange(6.0).reshape(2, 3)
    save_checkpoint(tmp_path / "c", {"a": base, "b": base.T, "c": base})
    loaded = load_checkpoint(tmp_path / "c")
    assert torch.equal(loaded["b"], base.T)
    assert torch.equal(loaded["a"], loaded["c"])


def test_objects_are_refused_and_the_old_checkpoint_stays(tmp_path):
    save_checkpoint(tmp_path / "c", {"value": 1})
    with pytest.raises(TypeError, match="cannot hold the object at '/value'"):
        save_checkpoint(tmp_path / "c", {"value": object()})
    assert load_checkpoint(tmp_path / "c") == {"value": 1}


def test_whatever_else_lies_in_the_folder_stays(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    for value in (1, 2):
        save_checkpoint(tmp_path, {"value": value})
    assert load_checkpoint(tmp_path) == {"value": 2}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".git", "checkpoint.safetensors", "notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_crash_while_saving_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"value": torch.ones(9)})

    def write_half(tensors, path, metadata):
        Path(path).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr("aigc_tutorial.tensors.save_file", write_half)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, {"value": torch.zeros(9)})
    assert torch.equal(load_checkpoint(tmp_path)["value"], torch.ones(9))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_keys_and_numbers_come_back_as_they_were(tmp_path):
    state = {1: "a", "1": "b", (1, "x"): torch.zeros(()), None: np.float32(0.5)}
    save_checkpoint(tmp_path, {"state": state, "nan": float("inf")})
    loaded = load_checkpoint(tmp_path)
    assert loaded["state"] == {1: "a", "1": "b", (1, "x"): torch.tensor(0.0), None: 0.5}
    assert loaded["nan"] == float("inf")


def test_leaves_of_equal_content_share_the_file_and_no_memory(tmp_path):
    """Both moments of a new Adam are zeros; loaded, one must not move with the other."""
    zeros = torch.zeros(25_000)
    save_checkpoint(tmp_path, {"first": zeros, "second": zeros.clone()})
    assert checkpoint_path(tmp_path).stat().st_size < 110_000
    loaded = load_checkpoint(tmp_path)
    loaded["first"] += 1
    assert torch.equal(loaded["second"], zeros)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(3, 5, 2, 4).to(memory_format=torch.channels_last),
        torch.rand(3, 1, 2, 2).to(memory_format=torch.channels_last),
        torch.rand(4, 6).T,
        torch.rand(4, 6),
        torch.rand(2, 3).to(torch.bfloat16).T,
    ],
)
def test_tensors_come_back_in_the_strides_that_they_had(tmp_path, tensor):
    save_checkpoint(tmp_path, {"value": tensor})
    loaded = load_checkpoint(tmp_path)["value"]
    assert torch.equal(loaded, tensor)
    assert loaded.stride() == tensor.stride()


def test_any_damage_is_noticed_and_the_error_names_the_file(tmp_path):
    rng = random.Random(0)
    weights = torch.rand(7, 3)
    state = {"weights": weights, "moment": torch.zeros(4), "config": {"rate": 0.5}}
    save_checkpoint(tmp_path, state)
    path = checkpoint_path(tmp_path)
    whole = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(whole)
        place = rng.randrange(len(whole))
        if rng.random() < 0.2:
            del damaged[place:]
        else:
            damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=re.escape(str(path))):
            load_checkpoint(tmp_path)
    path.write_bytes(whole)
    assert torch.equal(load_checkpoint(tmp_path)["weights"], weights)


def test_absence_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_an_older_version_is_named_as_such(tmp_path):
    (tmp_path / "tree.json").write_text("{}")
    (tmp_path / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="older version of this package"):
        load_checkpoint(tmp_path)
    with (
        pytest.raises(ValueError, match="older version of this package"),
        checkpoint_folder_in_use(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"format": "aigc_tutorial checkpoint 2"}, "its format is 'aigc_tutorial checkpoint 2'"),
        ({"format": "somebody else's"}, "does not say that its format is"),
        ({}, "does not say that its format is"),
    ],
)
def test_a_file_of_another_format_is_told_from_a_stranger(tmp_path, written, told):
    save_tensors(checkpoint_path(tmp_path), {"w": torch.ones(2)}, written)
    with pytest.raises(ValueError, match=told):
        load_checkpoint(tmp_path)


def test_home_and_links_are_followed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    for value in (1, 2):
        save_checkpoint("~/near", {"value": value})
    assert load_checkpoint(tmp_path / "far") == {"value": 2}
    assert (tmp_path / "near").is_symlink()


def test_a_second_writer_is_refused_until_the_first_has_ended(tmp_path):
    with (
        checkpoint_folder_in_use(tmp_path),
        pytest.raises(RuntimeError, match="another run writes its checkpoints"),
        checkpoint_folder_in_use(tmp_path),
    ):
        pass
    with checkpoint_folder_in_use(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(NotADirectoryError, match="file is a file, and a folder is needed"),
        checkpoint_folder_in_use(tmp_path / "file" / "c"),
    ):
        pass
    (tmp_path / "c" / "checkpoint.safetensors").mkdir(parents=True)
    with (
        pytest.raises(IsADirectoryError, match="is a folder"),
        checkpoint_folder_in_use(tmp_path / "c"),
    ):
        pass


def test_what_a_killed_save_left_is_removed(tmp_path):
    """The process is killed within a save; the next start finds its temporary files and cleans."""
    script = textwrap.dedent("""
        import os, signal, sys
        import torch
        from aigc_tutorial import tensors, training
        def killed(*arguments, **options):
            save_file(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        save_file, tensors.save_file = tensors.save_file, killed
        training.save_checkpoint(sys.argv[1], {"value": torch.zeros(9)})
    """)
    save_checkpoint(tmp_path, {"value": 1})
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    assert load_checkpoint(tmp_path) == {"value": 1}
    with checkpoint_folder_in_use(tmp_path):
        names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint.lock", "checkpoint.safetensors"]


def test_the_setting_that_differs_is_named():
    saved = {"seed": 3, "config.r1_gamma": 0.3, "betas": [0.9, 0.9999]}
    for name, value in (("seed", 4), ("config.r1_gamma", 7.0), ("betas", [0.9, 0.99999])):
        with pytest.raises(ValueError, match="belongs to another run") as error:
            check_settings(saved, {**saved, name: value}, what="c")
        assert f"its {name} is {saved[name]!r}, and {value!r} is wanted" in str(error.value)
    with pytest.raises(ValueError, match="its penalty is 'not set', and 1 is wanted"):
        check_settings(saved, {**saved, "penalty": 1}, what="c")


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (
            "initial weights (build the models anew, from the same seed, before resuming)",
            3e-5,
            3e-3,
        ),
        ("first losses", 1e-3, 1e-2),
    ],
)
def test_what_is_computed_may_differ_by_what_rounding_does(kind, allowed, refused):
    saved = {f"{kind}: w": [1.0, -0.25]}
    check_settings(saved, {f"{kind}: w": [1.0 + allowed, -0.25]}, what="c")
    for value in ([1.0, -0.25 - refused], [1.0 + refused, -0.25], [1.0], [float("nan"), -0.25]):
        with pytest.raises(ValueError, match="belongs to another run"):
            check_settings(saved, {f"{kind}: w": value}, what="c")


def test_a_history_of_any_length_is_kept(tmp_path):
    """Texts of a safetensors file end at 100 MB, and longer ones were written and never read."""
    state = {"history": "x" * 100_000_001, "value": torch.ones(2)}
    save_checkpoint(tmp_path, state)
    assert load_checkpoint(tmp_path)["history"] == state["history"]


def test_a_type_that_no_file_can_hold_is_refused_with_its_path(tmp_path):
    state = {"layers": [torch.zeros(2, dtype=torch.complex128)]}
    with pytest.raises(TypeError, match=r"the Tensor \(torch\.complex128, .*\) at '/layers/0'"):
        save_checkpoint(tmp_path, state)
