"""The gate is the product of its two formulas."""

import pytest
import torch

from aigc_tutorial.nn.gated import gate


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_the_gate_is_tanh_times_sigmoid(dim):
    features = 5 * torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(0)).double()
    a, b = features.chunk(2, dim=dim)
    torch.testing.assert_close(gate(features, dim=dim), torch.tanh(a) * torch.sigmoid(b))


def test_an_odd_number_of_features_is_refused():
    with pytest.raises(ValueError, match="must be even, got 3 on axis 1"):
        gate(torch.ones(2, 3))
