"""Every row once an epoch, the same order for the same seed, and a resume that changes nothing."""

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_tutorial.data import ShuffledBatches
from aigc_tutorial.data.batches.rows import ShuffledTuples


def batches_of(n_rows, batch_size, seed=0):
    rows = torch.arange(n_rows)[:, None]
    return ShuffledBatches(rows, batch_size, rng=torch.Generator().manual_seed(seed))


sizes = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@settings(deadline=None)  # a loaded machine is no failure
@given(sizes=sizes, seed=st.integers(0, 2**32), n_epochs=st.integers(1, 3))
def test_no_row_comes_twice_in_an_epoch_and_all_come_if_the_size_divides(sizes, seed, n_epochs):
    n_rows, batch_size = sizes
    batches = batches_of(n_rows, batch_size, seed)
    for _ in range(n_epochs):
        epoch = torch.cat([next(batches) for _ in range(n_rows // batch_size)]).flatten().tolist()
        assert len(set(epoch)) == len(epoch) == n_rows - n_rows % batch_size
        if n_rows % batch_size == 0:
            assert sorted(epoch) == list(range(n_rows))


@settings(deadline=None)  # a loaded machine is no failure
@given(sizes=sizes, seed=st.integers(0, 2**32), n_before=st.integers(0, 50))
def test_a_resumed_run_equals_one_that_never_stopped(sizes, seed, n_before):
    n_rows, batch_size = sizes
    batches = batches_of(n_rows, batch_size, seed)
    for _ in range(n_before):
        next(batches)
    file = io.BytesIO()
    torch.save(batches.state_dict(), file)
    file.seek(0)
    resumed = batches_of(n_rows, batch_size, seed + 1)
    next(resumed)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(2 * n_rows // batch_size + 2):
        assert torch.equal(next(batches), next(resumed))


def test_the_state_is_a_copy():
    batches = batches_of(10, 3)
    next(batches)
    state = batches.state_dict()
    before = {key: torch.as_tensor(value).clone() for key, value in state.items()}
    for _ in range(10):
        next(batches)
    assert all(torch.equal(torch.as_tensor(state[key]), before[key]) for key in state)


def test_each_epoch_has_an_order_of_its_own():
    batches = batches_of(1000, 1000)
    first, second = next(batches), next(batches)
    assert not torch.equal(first, second)
    assert not torch.equal(first.flatten(), torch.arange(1000))


def test_the_seed_decides_the_order():
    assert torch.equal(next(batches_of(1000, 50, seed=1)), next(batches_of(1000, 50, seed=1)))
    assert not torch.equal(next(batches_of(1000, 50, seed=1)), next(batches_of(1000, 50, seed=2)))


def test_every_row_is_equally_likely_at_every_place():
    batches = batches_of(4, 4)
    counts = torch.zeros(4, 4)
    for _ in range(4000):
        counts[torch.arange(4), next(batches).flatten()] += 1
    # 4000 draws with probability 1/4: standard deviation 27; five of them.
    assert (counts - 1000).abs().max() < 5 * 27.4


def test_shape_and_dtype_of_a_row_are_kept():
    rows = torch.zeros(7, 3, 4, 5, dtype=torch.uint8)
    x = next(ShuffledBatches(rows, 2, rng=torch.Generator()))
    assert x.shape == (2, 3, 4, 5)
    assert x.dtype == torch.uint8


def test_a_batch_may_be_changed_without_changing_the_data():
    batches = batches_of(8, 8)
    next(batches).zero_()
    assert torch.equal(next(batches).flatten().sort().values, torch.arange(8))


def test_it_iterates_without_end():
    batches = batches_of(4, 3)
    assert sum(1 for _, _ in zip(range(10), batches, strict=False)) == 10
    assert iter(batches) is batches


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_an_impossible_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; expected 1 to 10"):
        batches_of(10, batch_size)


def test_a_state_of_other_data_or_another_batch_size_is_refused():
    batches = batches_of(10, 5)
    next(batches)
    state = batches.state_dict()
    with pytest.raises(ValueError, match="batch_size=5, this has 2"):
        batches_of(10, 2).load_state_dict(state)
    with pytest.raises(ValueError, match="of 10 rows, this has 12 rows"):
        batches_of(12, 5).load_state_dict(state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("generator_device", ["cpu", "cuda"])
def test_on_cuda_the_batches_stay_there_and_resume(generator_device):
    def make():
        generator = torch.Generator(generator_device).manual_seed(0)
        return ShuffledBatches(torch.arange(10, device="cuda"), 3, rng=generator)

    batches, resumed = make(), make()
    assert next(batches).is_cuda
    resumed.load_state_dict(batches.state_dict())
    for _ in range(8):
        assert torch.equal(next(batches), next(resumed))


def test_tuples_are_shuffled_together():
    images = torch.arange(20.0)[:, None]
    random = torch.Generator().manual_seed(0)
    batches = ShuffledTuples((images, torch.arange(20)), 5, rng=random)
    for _ in range(8):
        rows, labels = next(batches)
        assert torch.equal(rows[:, 0], labels.float())
    resumed = ShuffledTuples((images, torch.arange(20)), 5, rng=torch.Generator())
    resumed.load_state_dict(batches.state_dict())
    for _ in range(8):
        assert torch.equal(next(batches)[1], next(resumed)[1])


def test_tensors_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"equally many rows, got \[3, 4\]"):
        ShuffledTuples((torch.zeros(3), torch.zeros(4)), 2, rng=torch.Generator())
