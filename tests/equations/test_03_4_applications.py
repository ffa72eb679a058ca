"""Both sides of every equation on the page about the fields of use."""

import math
from itertools import product

import pytest
import torch

from aigc_tutorial import ar


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("app-gaussian")
def test_mixed_deviations_have_the_covariance_of_the_data():
    data = torch.randn(12, 3, generator=seeded(), dtype=torch.float64) @ torch.tensor(
        [[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 0.0, 0.5]], dtype=torch.float64
    )
    centred = data - data.mean(dim=0)
    covariance = centred.T @ centred / (len(data) - 1)
    # Exactly: x - mu = A eps with A = X_c^T / sqrt(N - 1), and Cov(A eps) = A A^T.
    root = centred.T / math.sqrt(len(data) - 1)
    assert torch.allclose(root @ root.T, covariance)
    assert torch.allclose(covariance, torch.cov(data.T))
    # By drawing: 200,000 samples come within a hundredth of the largest entry, times two.
    noise = torch.randn(200_000, len(data), generator=seeded(1), dtype=torch.float64)
    drawn = data.mean(dim=0) + noise @ root.T
    assert torch.allclose(drawn.mean(dim=0), data.mean(dim=0), atol=0.02)
    assert torch.allclose(torch.cov(drawn.T), covariance, atol=0.02 * float(covariance.max()))


@pytest.mark.equation("app-translation")
def test_probabilities_of_all_translations_sum_to_one():
    torch.manual_seed(0)
    model = ar.Transformer(ar.TransformerConfig(3, context=8, n_layers=1, n_heads=1, width=8))
    torch.nn.init.normal_(model.head.weight)
    source, length = [0, 2, 1], 4
    rows = torch.tensor([source + list(target) for target in product(range(3), repeat=length)])
    is_target = torch.zeros_like(rows, dtype=torch.bool)
    is_target[:, len(source) :] = True
    with torch.no_grad():
        log_p = -model.nll(rows, is_target).sum(dim=1)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
        # And one of them is the product of its factors, each from a pass of its own.
        row = rows[50]
        factors = [
            model(row[None, :t])[0, -1].softmax(-1)[row[t]] for t in range(len(source), len(row))
        ]
    assert float(log_p[50].exp()) == pytest.approx(math.prod(map(float, factors)), rel=1e-4)
