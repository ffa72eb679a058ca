"""A checkpoint returns what it was given, or says why it cannot."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.training import load_checkpoint, save_checkpoint

# No subnormal floats: the engine's tests switch them off for the whole process.
floats = st.floats(-1e9, 1e9, allow_subnormal=False)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | floats
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple)
    | st.dictionaries(st.integers() | st.text(), inner),
    max_leaves=12,
)  # fmt: skip


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


def test_damage_is_reported(tmp_path):
    save_checkpoint(tmp_path / "c", {"value": torch.ones(100)})
    tensors = tmp_path / "c" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path / "c")


def test_absence_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        load_checkpoint(tmp_path)
