"""Token shift is a sum over the tokens before, and stops at the border of a segment."""

import pytest
import torch

from aigc_tutorial.nn.token_shift import TokenShift
from tests.ar import checks


def test_token_shift_takes_shares_of_earlier_tokens():
    shift = checks.randomize(TokenShift(2, 3))
    x = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([torch.zeros(1, 2, 3), x], 1)
    one, two = shift.shares
    expected = x[:, 4] + one * x[:, 3] + two * x[:, 2]
    torch.testing.assert_close(shift(x, padded)[:, 4], expected)
    assert torch.equal(shift(x, padded)[:, 0], x[:, 0])


def test_nothing_comes_from_another_segment():
    shift = checks.randomize(TokenShift(2, 3))
    x = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(1, 2, 3)
    together = shift(x, torch.cat([zeros, x], 1), torch.tensor([[1, 1, 2, 2, 2]]))
    apart = [shift(part, torch.cat([zeros, part], 1)) for part in (x[:, :2], x[:, 2:])]
    assert torch.equal(together, torch.cat(apart, 1))


@pytest.mark.parametrize("n_tokens", [1, 2, 3])
def test_a_row_shorter_than_the_shift_keeps_its_length(n_tokens):
    shift = checks.randomize(TokenShift(4, 3))
    x = torch.randn(1, n_tokens, 3, generator=torch.Generator().manual_seed(0))
    padded, one_segment = torch.cat([torch.zeros(1, 4, 3), x], 1), torch.zeros(1, n_tokens).long()
    assert torch.equal(shift(x, padded, one_segment), shift(x, padded))
