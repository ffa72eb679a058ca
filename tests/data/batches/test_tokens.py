"""Windows that cover a text once an epoch; padding and packing that lose and add nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data.batches import tokens as tokens_module
from aigc_tutorial.data.batches.tokens import TokenWindows, pack_sequences, pad_sequences


def windows_of(n_tokens, context, batch_size, seed=0):
    random = torch.Generator().manual_seed(seed)
    return TokenWindows(torch.arange(n_tokens), context, batch_size, rng=random)


sizes = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(0, 60))


@given(sizes=sizes, seed=st.integers(0, 2**32))
def test_an_epoch_predicts_each_token_once(sizes, seed):
    context, batch_size, extra = sizes
    n_tokens = (batch_size + 1) * context + extra
    windows = windows_of(n_tokens, context, batch_size, seed)
    n_batches = (n_tokens - context) // context // batch_size
    epoch = torch.cat([next(windows) for _ in range(n_batches)])
    assert epoch.shape == (n_batches * batch_size, context + 1)
    assert torch.equal(epoch - epoch[:, :1], torch.arange(context + 1).expand_as(epoch))
    predicted = epoch[:, 1:].flatten().tolist()
    assert len(set(predicted)) == len(predicted)


def test_epochs_cut_at_different_places():
    windows = windows_of(100, context=10, batch_size=9)
    assert len({int(next(windows)[0, 0]) % 10 for _ in range(20)}) > 1


@given(sizes=sizes, seed=st.integers(0, 2**32), n_before=st.integers(0, 30))
def test_a_resumed_run_equals_one_that_never_stopped(sizes, seed, n_before):
    context, batch_size, extra = sizes
    n_tokens = (batch_size + 1) * context + extra
    windows = windows_of(n_tokens, context, batch_size, seed)
    for _ in range(n_before):
        next(windows)
    resumed = windows_of(n_tokens, context, batch_size, seed + 1)
    next(resumed)
    resumed.load_state_dict(windows.state_dict())
    for _ in range(20):
        assert torch.equal(next(windows), next(resumed))


def test_states_of_other_data_and_short_texts_are_refused():
    windows = windows_of(100, 10, 4)
    with pytest.raises(ValueError, match="the state was saved with"):
        windows.load_state_dict(windows_of(100, 5, 4).state_dict())
    with pytest.raises(ValueError, match="need a text of 50 tokens"):
        windows_of(49, 10, 4)
    assert next(windows_of(50, 10, 4)).shape == (4, 11)
    with pytest.raises(ValueError, match="at least 1"):
        windows_of(49, 0, 4)


lengths = st.lists(st.integers(2, 12), min_size=1, max_size=20)


def numbered(lengths):
    """Sequences in which every token occurs once, so that nothing can be mistaken."""
    return list(torch.arange(1, 1 + sum(lengths)).split(lengths))


@given(lengths)
def test_padding_can_be_undone(lengths):
    sequences = numbered(lengths)
    tokens, mask = pad_sequences(sequences, padding=0)
    assert tokens.shape == mask.shape == (len(lengths), max(lengths))
    assert all(torch.equal(tokens[i][mask[i]], s) for i, s in enumerate(sequences))
    assert not tokens[~mask].any()


@given(lengths, st.integers(12, 30))
def test_packing_keeps_every_sequence_whole_and_predicts_all_but_first_tokens(lengths, row_length):
    sequences = numbered(lengths)
    tokens, mask, segments = pack_sequences(sequences, row_length, padding=0)
    found = {}
    for row, numbers in zip(tokens, segments, strict=True):
        for number in range(1, int(numbers.max()) + 1):
            places = (numbers == number).nonzero().flatten()
            assert torch.equal(places, torch.arange(places[0], places[-1] + 1))
            found[int(row[places[0]])] = row[places]
    for sequence in sequences:
        assert torch.equal(found.pop(int(sequence[0])), sequence)
    assert not found
    assert not tokens[segments == 0].any()
    predicted = sorted(tokens[mask].tolist())
    assert predicted == sorted(t for s in sequences for t in s[1:].tolist())


@given(lengths, st.integers(12, 30))
def test_at_most_one_row_is_half_empty(lengths, row_length):
    _, _, segments = pack_sequences(numbered(lengths), row_length)
    filled = (segments > 0).sum(1)
    assert (filled <= row_length / 2).sum() <= 1


@given(lengths, st.integers(12, 30))
def test_a_sequence_goes_into_the_first_row_that_has_room(lengths, row_length):
    room: list[int] = []
    for length in lengths:
        row = next((i for i, left in enumerate(room) if left >= length), len(room))
        room += [row_length] * (row == len(room))
        room[row] -= length
    _, _, segments = pack_sequences(numbered(lengths), row_length)
    assert (segments == 0).sum(1).tolist() == room


def test_the_search_for_room_does_not_begin_anew_for_each_sequence(monkeypatch):
    """Comparing all rows for each of 30,000 sequences took a minute, and for ten times as many
    an hour and a half."""
    comparisons = 0

    class Length(int):
        def __gt__(self, other):
            nonlocal comparisons
            comparisons += 1
            return int(self) > int(other)

        def __le__(self, other):
            nonlocal comparisons
            comparisons += 1
            return int(self) <= int(other)

    monkeypatch.setattr(tokens_module, "len", lambda x: Length(len(x)), raising=False)
    pack_sequences(numbered([7] * 400), 12)
    assert comparisons < 2_000


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="does not fit into rows of 4"):
        pack_sequences(numbered([5]), 4)
    for put in (pad_sequences, lambda sequences: pack_sequences(sequences, 8)):
        with pytest.raises(ValueError, match="at least one sequence"):
            put([])
        with pytest.raises(ValueError, match="two tokens or more"):
            put(numbered([3, 1]))
