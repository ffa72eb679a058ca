"""Attention by the fast kernel equals the formula; the cache equals having all tokens."""

import inspect

import pytest
import torch

from aigc_tutorial.nn.attention import (
    CausalSelfAttention,
    KeyValueCache,
    attend,
    attention_probabilities,
    causal_mask,
    segment_mask,
)
from aigc_tutorial.nn.position import RotaryPositions

BATCH, HEADS, TIME, WIDTH = 2, 3, 9, 12


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return CausalSelfAttention(WIDTH, HEADS, bias=True, qk_norm=True).eval()


@pytest.fixture
def rotary():
    return RotaryPositions(WIDTH // HEADS, TIME, 1000.0)


@pytest.mark.parametrize("n_queries", [1, 2, 5, TIME])
def test_kernel_equals_softmax_of_scaled_products(n_queries):
    queries, keys, values = noise(3, BATCH, HEADS, TIME, 4)
    queries = queries[:, :, -n_queries:]
    weights = attention_probabilities(queries, keys)
    torch.testing.assert_close(attend(queries, keys, values), weights @ values)
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, n_queries))
    assert not weights.masked_select(~causal_mask(n_queries, TIME)).any()


def test_given_mask_takes_the_place_of_causality():
    queries, keys, values = noise(3, BATCH, HEADS, TIME, 4)
    everything = torch.ones(TIME, TIME, dtype=torch.bool)
    weights = attention_probabilities(queries, keys, everything)
    torch.testing.assert_close(attend(queries, keys, values, everything), weights @ values)
    assert (weights > 0).all()


def test_causal_mask_lets_the_last_queries_see_what_came_before_them():
    expected = torch.tensor([[True, True, True, False], [True, True, True, True]])
    assert torch.equal(causal_mask(2, 4), expected)


def test_segments_do_not_see_each_other():
    mask = segment_mask(torch.tensor([[1, 1, 2, 2, 0]]))
    expected = torch.tensor(
        [
            [1, 0, 0, 0, 0],
            [1, 1, 0, 0, 0],
            [0, 0, 1, 0, 0],
            [0, 0, 1, 1, 0],
            [0, 0, 0, 0, 1],
        ]
    )
    assert torch.equal(mask, expected.bool()[None, None])


def test_maps_are_what_the_forward_pass_averages_with(attention, rotary):
    x, rotation = noise(BATCH, TIME, WIDTH), rotary(0, TIME)
    *_, values = attention.project(x, rotation)
    gathered = attention.maps(x, None, rotation) @ values
    expected = attention.output(gathered.transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(x, None, rotation), expected)


def test_queries_and_keys_are_normalised_and_values_are_not(attention, rotary):
    x = 100 * noise(BATCH, TIME, WIDTH)
    queries, keys, values = attention.project(x, rotary(0, TIME))
    for normalised in (queries, keys):
        mean_square = normalised.square().mean(-1)
        torch.testing.assert_close(mean_square, torch.ones_like(mean_square))
    assert values.square().mean() > 100


@torch.no_grad()
@pytest.mark.parametrize("sizes", [[TIME], [1] * TIME, [4, 1, 1, 3], [1, 5, 3]])
def test_reading_in_pieces_equals_reading_at_once(attention, rotary, sizes):
    x = noise(BATCH, TIME, WIDTH)
    cache = KeyValueCache.empty(2, BATCH, HEADS, TIME, WIDTH, like=x)
    pieces = []
    for piece in x.split(sizes, dim=1):
        rotation = rotary(cache.length, cache.length + piece.shape[1])
        cache.reserve(torch.zeros(piece.shape[:2], dtype=torch.int64))
        pieces.append(attention(piece, None, rotation, cache, 1))
    torch.testing.assert_close(torch.cat(pieces, 1), attention(x, None, rotary(0, TIME)))


def test_selected_rows_are_a_copy_and_truncation_shares_memory():
    cache = KeyValueCache(noise(1, 2, BATCH, HEADS, TIME, 4), length=5)
    selected = cache.select_rows(torch.tensor([1, 1, 0]))
    assert selected.length == 5
    assert torch.equal(selected.memory[:, :, :, :, :5], cache.memory[:, :, [1, 1, 0], :, :5])
    assert selected.memory.data_ptr() != cache.memory.data_ptr()
    shorter = cache.truncate(2)
    assert (shorter.length, cache.length) == (2, 5)
    assert shorter.memory is cache.memory
    with pytest.raises(ValueError, match="cannot go back to 6"):
        cache.truncate(6)


def test_a_full_or_differently_sized_cache_is_an_error():
    cache = KeyValueCache(noise(1, 2, BATCH, HEADS, TIME, 4), length=TIME)
    with pytest.raises(ValueError, match=r"9 tokens were read and 1 more do not fit .* of 9"):
        cache.reserve(torch.zeros(BATCH, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="of 2 sequences, got tokens of 1"):
        cache.truncate(3).reserve(torch.zeros(1, 1, dtype=torch.int64))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="cannot be divided among 5 heads"):
        CausalSelfAttention(WIDTH, 5, bias=False, qk_norm=True)


def test_under_autocast_a_processor_attends_in_full_precision():
    queries, keys, values = noise(3, BATCH, HEADS, TIME, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gathered = attend(queries, keys, values)
    assert torch.equal(gathered, attend(queries, keys, values))


def test_masks_of_numbers_and_queries_without_keys_are_refused():
    queries, keys, values = (noise(BATCH, HEADS, TIME, 4, seed=i) for i in range(3))
    mask = causal_mask(TIME, TIME)
    for numbers in (mask.float(), mask.long()):
        with pytest.raises(ValueError, match=r"compare them, as in mask > 0\.5"):
            # Without the shape checks of the tests.
            inspect.unwrap(attend)(queries, keys, values, numbers)
        with pytest.raises(ValueError, match=r"compare them, as in mask > 0\.5"):
            inspect.unwrap(attention_probabilities)(queries, keys, numbers)
    with pytest.raises(ValueError, match="queries are the last of the keys"):
        attend(queries, keys[:, :, 1:], values[:, :, 1:])
    with pytest.raises(ValueError, match="queries are the last of the keys"):
        attention_probabilities(queries, keys[:, :, 1:])


def test_a_query_that_may_look_nowhere_averages_nothing():
    q, k, v = torch.randn(3, 1, 2, 4, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(4, 4, dtype=torch.bool).tril(-1)  # the first sees nothing
    probabilities = attention_probabilities(q, k, mask)
    torch.testing.assert_close(probabilities.sum(-1), torch.tensor([0.0, 1, 1, 1]).expand(1, 2, 4))
    torch.testing.assert_close(probabilities @ v, attend(q, k, v, mask))
