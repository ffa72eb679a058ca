"""Answers that follow from the question, and masks that cover the answers alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import CopyTask, DelayTask, RecallTask


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(n_symbols=st.integers(1, 9), length=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_the_answer_of_the_copy_task_is_what_came_before(n_symbols, length, seed):
    task = CopyTask(n_symbols, length)
    tokens, mask = task.sample(5, rng=seeded(seed))
    assert tokens.shape == mask.shape == (5, 2 * length + 1)
    assert (tokens[:, length] == task.separator).all()
    assert torch.equal(tokens[mask].reshape(5, length), tokens[:, :length])
    assert torch.equal(mask[0], torch.arange(2 * length + 1) > length)
    assert (mask == mask[0]).all()
    assert tokens[:, :length].max() < n_symbols == task.separator
    assert tokens.max() == task.vocab_size - 1


@given(n_pairs=st.integers(1, 6), n_values=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_the_answer_of_the_recall_task_stood_beside_the_key(n_pairs, n_values, seed):
    task = RecallTask(n_keys=6, n_values=n_values, n_pairs=n_pairs)
    tokens, mask = task.sample(5, rng=seeded(seed))
    assert tokens.shape == mask.shape == (5, 2 * n_pairs + 2)
    assert mask.sum(dim=1).tolist() == [1] * 5
    assert mask[:, -1].all()
    for row in tokens.tolist():
        *pairs, key, answer = row
        keys, values = pairs[::2], pairs[1::2]
        assert len(set(keys)) == n_pairs
        assert dict(zip(keys, values, strict=True))[key] == answer
        assert all(0 <= k < 6 for k in keys)
        assert all(6 <= v < 6 + n_values == task.vocab_size for v in values)


def test_every_key_and_place_is_asked_equally_often():
    task = RecallTask(n_keys=4, n_values=2, n_pairs=3)
    tokens, _ = task.sample(12_000, rng=seeded())
    asked = tokens[:, -2]
    place = (tokens[:, :6:2] == asked[:, None]).int().argmax(dim=1)
    # Standard deviation of a count of 3,000 or 4,000 among 12,000: at most 52; five of them.
    assert (asked.bincount(minlength=4) - 3000).abs().max() < 5 * 52
    assert (place.bincount(minlength=3) - 4000).abs().max() < 5 * 52


@pytest.mark.parametrize("task", [CopyTask(), RecallTask()])
def test_the_seed_decides(task):
    a, b, c = (task.sample(4, rng=seeded(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.dtype == torch.int64


def test_impossible_tasks_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        CopyTask(n_symbols=0)
    with pytest.raises(ValueError, match="at least 1"):
        CopyTask(length=0)
    with pytest.raises(ValueError, match="n_pairs=5, n_keys=4"):
        RecallTask(n_keys=4, n_pairs=5)
    with pytest.raises(ValueError, match="n_values=0"):
        RecallTask(n_values=0)


@pytest.mark.parametrize("lag", [None, 1, 5])
def test_delay_task_hides_the_answer_at_its_lag(lag):
    task = DelayTask(n_symbols=4, n_noise=3, max_lag=5)
    tokens, lags, mask = task.sample(300, lag=lag, rng=seeded())
    assert tokens.shape == mask.shape == (300, 7)
    assert mask.sum() == 300
    assert mask[:, -1].all()
    is_symbol = tokens < 4
    assert (is_symbol.sum(1) == 2).all()
    assert (tokens < task.vocab_size).all()
    assert set(lags.tolist()) == ({1, 2, 3, 4, 5} if lag is None else {lag})
    assert torch.equal(tokens.gather(1, 6 - lags[:, None])[:, 0], tokens[:, -1])


def test_delay_task_needs_sizes_and_a_lag_that_fit():
    with pytest.raises(ValueError, match="at least 1"):
        DelayTask(max_lag=0)
    with pytest.raises(ValueError, match="between 1 and 5, got 6"):
        DelayTask(max_lag=5).sample(1, lag=6, rng=seeded())
