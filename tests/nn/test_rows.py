"""Rows of a batch are computed as if each were alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aigc_tutorial.nn.attention import KeyValueCache
from aigc_tutorial.nn.rows import GROUP, RowCache, are_plain, linear, whole_groups


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bias", [None, noise(65, seed=2)])
def test_the_linear_map_of_rows_is_the_linear_map(bias):
    x, weight = noise(12, 128), noise(65, 128, seed=1)
    torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias))


@pytest.mark.parametrize("n_features", [65, 128, 384, 512])
def test_a_row_has_the_same_bits_in_every_company_and_every_place(n_features):
    x, weight = noise(64, 128), noise(n_features, 128, seed=1)
    many = linear(x, weight)
    for place in (0, 1, 7, 31, 62, 63):
        alone = torch.zeros(GROUP, 128)
        alone[2] = x[place]
        assert torch.equal(linear(alone, weight)[2], many[place])


def test_rows_come_in_whole_groups():
    sizes = [whole_groups(n) for n in range(1, 10)]
    assert sizes == [4, 4, 4, 4, 8, 8, 8, 8, 12]


def test_a_changed_layer_is_not_plain():
    kinds = (nn.Sequential, nn.Linear)
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2)))
    assert are_plain(model, kinds)
    handle = model[1].register_forward_hook(lambda *_: None)
    assert not are_plain(model, kinds)
    handle.remove()
    model[0] = nn.LazyLinear(2)
    assert not are_plain(model, kinds)


def test_each_row_of_the_cache_is_as_long_as_it_is():
    cache = RowCache(1, 4, 2, 5, 6, like=noise(1))
    keys, values = noise(2, 1, 2, 3, 3)
    one = KeyValueCache(torch.stack([keys, values])[None])
    one.length = 3
    cache.put(2, one)
    for length in (3, 4):
        new = noise(4, 2, 3, seed=length)
        assert cache.reserve(4).tolist() == [0, 0, length, 0]
        all_keys, all_values, visible = cache.extend(0, new, 2 * new)
        assert visible[2, 0, 0].tolist() == [True] * (length + 1) + [False] * (4 - length)
        assert torch.equal(all_keys[2, :, :3], keys[0])
        assert torch.equal(all_values[2, :, :3], values[0])
        assert torch.equal(all_keys[2, :, length], new[2])
        assert torch.equal(all_values[2, :, length], 2 * new[2])
        assert not all_keys[2, :, length + 1 :].any()
    with pytest.raises(ValueError, match="holds 5 tokens already"):
        cache.reserve(4)
    cache.free(2)
    assert cache.reserve(4).tolist() == [0, 0, 0, 0]
