"""Reading a sequence that grows: the window, the state, and going back."""

import pytest
import torch

from aigc_tutorial.ar.generation.reader import (
    Reader,
    as_prompts,
    as_stop_tokens,
    window_start,
)
from aigc_tutorial.nn import evaluation_mode
from tests.ar.checks import random_tokens
from tests.ar.small_models import CANNOT_GO_BACK, CONTEXT, NAMES, WITH_CONTEXT, V, make


@pytest.mark.parametrize("context", [1, 2, 3, 4, 5, 8, 64])
def test_the_window_is_never_longer_than_the_context_nor_shorter_than_half(context):
    starts = [window_start(length, context) for length in range(1, 6 * context)]
    assert starts[:context] == [0] * context
    assert starts == sorted(starts)
    for length, start in enumerate(starts, start=1):
        assert length - start <= context
        assert start == 0 or length - start >= max(1, context // 2)


@pytest.mark.parametrize("context", [2, 4, 9])
def test_the_window_moves_only_when_it_is_full_and_then_to_its_last_half(context):
    for length in range(1, 6 * context):
        start, following = window_start(length, context), window_start(length + 1, context)
        if following != start:
            assert length - start == context
            assert length + 1 - following == context // 2


def test_without_a_limit_the_window_begins_at_the_beginning():
    assert window_start(10**9, None) == 0


@torch.no_grad()
@pytest.mark.parametrize("prompt_length", [1, 4, CONTEXT])
@pytest.mark.parametrize("name", NAMES)
def test_every_length_reads_as_the_window_computed_at_once(name, prompt_length):
    """Below the context's edge, at it, and far past it; from prompts up to the full context."""
    model = make(name)
    tokens = random_tokens(model, batch=3, time=4 * CONTEXT)
    cached, uncached = Reader(model), Reader(model, use_cache=False)
    for length in range(prompt_length, 4 * CONTEXT + 1):
        seen = tokens[:, :length]
        expected = model(seen[:, window_start(length, model.context) :])[:, -1]
        for reader in (cached, uncached):
            torch.testing.assert_close(reader.read(seen)[:, -1], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_each_token_is_read_once_but_for_the_jumps(name, monkeypatch):
    model = make(name)
    read = []
    advance = type(model).advance

    def recorded(self, tokens, state):
        read.append(tokens.shape[1])
        return advance(self, tokens, state)

    monkeypatch.setattr(type(model), "advance", recorded)
    tokens = random_tokens(model, batch=1, time=12)
    reader = Reader(model)
    for length in range(2, 13):
        reader.read(tokens[:, :length])
    # Context 6: a window of 3 at length 7 and, when that is full, at 11.
    expected = [2, 1, 1, 1, 1, 3, 1, 1, 1, 3, 1] if model.context else [2] + [1] * 10
    assert read == expected


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_rows_can_be_chosen_while_reading(name):
    model = make(name)
    tokens, rows = random_tokens(model, batch=2, time=10), torch.tensor([1, 1, 0])
    chosen, fresh = Reader(model), Reader(model)
    chosen.read(tokens[:, :4])
    chosen.select_rows(rows)
    for length in range(5, 11):
        torch.testing.assert_close(
            chosen.read(tokens[rows, :length])[:, -1],
            fresh.read(tokens[rows, :length])[:, -1],
            rtol=1e-4,
            atol=1e-5,
        )


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in NAMES if name not in CANNOT_GO_BACK])
def test_what_was_forgotten_leaves_no_trace(name):
    """Also across a jump of the window, where there is no state to go back to."""
    model = make(name)
    tokens = random_tokens(model, batch=2, time=12)
    other = (tokens + 1) % V
    for n_read in range(1, 12):
        for length in range(n_read + 1):
            read = torch.cat([tokens[:, :length], other[:, length:n_read]], dim=1)
            reader = Reader(model)
            reader.read(read)
            reader.forget(length)
            seen = tokens[:, : length + 1]
            expected = model(seen[:, window_start(length + 1, model.context) :])[:, -1]
            torch.testing.assert_close(reader.read(seen)[:, -1], expected, rtol=1e-4, atol=1e-5)


def test_forgetting_what_was_not_read_changes_nothing():
    model = make("lstm")
    tokens = random_tokens(model, batch=1, time=5)
    reader = Reader(model)
    reader.read(tokens)
    reader.forget(5)
    reader.forget(9)
    assert reader.n_read == 5


@pytest.mark.parametrize("name", CANNOT_GO_BACK)
def test_a_state_that_lets_go_cannot_forget(name):
    reader = Reader(make(name))
    reader.read(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(NotImplementedError, match="cannot forget"):
        reader.forget(2)


@pytest.mark.parametrize("name", WITH_CONTEXT)
def test_the_room_is_what_can_be_read_before_the_window_jumps(name):
    model = make(name)
    reader = Reader(model)
    for length in range(1, 4 * CONTEXT):
        n = reader.room(length, at_most=100)
        assert window_start(length + n, CONTEXT) == window_start(length, CONTEXT)
        assert window_start(length + n + 1, CONTEXT) > window_start(length, CONTEXT)
        assert reader.room(length, at_most=1) == min(n, 1)


def test_without_a_limit_there_is_all_the_room_one_asks_for():
    assert Reader(make("window")).room(1_000, at_most=17) == 17


def test_requests_that_cannot_be_met_are_refused():
    model = make("transformer")
    assert as_stop_tokens(model, [0, V - 1]) == [0, V - 1]
    for shape in ((1, 0), (0, 3), (0,)):
        with pytest.raises(ValueError, match="the prompt is empty"):
            as_prompts(model, torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(ValueError, match="takes at most 6 tokens, got 7; keep the last ones"):
        as_prompts(model, torch.zeros(1, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"0 … 6, got 0 … 9; was the text encoded with another"):
        as_prompts(model, torch.tensor([[0, 9]]))
    with pytest.raises(ValueError, match=r"one sequence \(K,\) as prompt, got the shape \(2, 3\)"):
        as_prompts(model, torch.zeros(2, 3, dtype=torch.int64), n_dims=(1,))
    with pytest.raises(ValueError, match=r"or a batch of them \(B, K\) as prompt, got the shape"):
        as_prompts(model, 3)
    for stop in (-1, V):
        with pytest.raises(ValueError, match=r"stop_tokens must lie in 0 … 6, got \["):
            as_stop_tokens(model, [0, stop])


def test_evaluation_mode_ends_where_it_began():
    model = make("lstm")
    for training in (True, False):
        model.train(training)
        with evaluation_mode(model):
            assert not model.training
        assert model.training is training
        with pytest.raises(RuntimeError, match="on purpose"), evaluation_mode(model):
            raise RuntimeError("on purpose")
        assert model.training is training
