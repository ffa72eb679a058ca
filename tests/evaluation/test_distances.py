"""Distances where a matrix product loses digits: against differences in float64."""

import operator

import pytest
import torch
from torch import Tensor

from aigc_tutorial.evaluation import copy_report, nearest_neighbours, precision_recall
from aigc_tutorial.evaluation.distances import in_a_ball


def normal(n: int, n_features: int, seed: int) -> Tensor:
    return torch.randn(n, n_features, generator=torch.Generator().manual_seed(seed))


def groups(n: int, seed: int) -> Tensor:
    """Two groups of near rows, far from each other and from their mean."""
    return (100 * normal(2, 64, 0)).repeat(n // 2, 1) + 1e-3 * normal(n, 64, seed)


def differences(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(
        a.double().flatten(1), b.double().flatten(1), compute_mode="donot_use_mm_for_euclid_dist"
    )


SETS = {
    "features with an offset": lambda n, seed: 10 + 0.01 * normal(n, 64, seed),
    "nearly black images": lambda n, seed: (0.002 * normal(n, 784, seed) - 0.99).view(n, 1, 28, 28),
    "groups far apart": groups,
    "an outlier": lambda n, seed: torch.cat([normal(n - 1, 3, seed), torch.full((1, 3), 1e20)]),
    "huge": lambda n, seed: 1e30 * normal(n, 3, seed),
    "tiny": lambda n, seed: 1e-30 * normal(n, 3, seed),
    "nearer than float32 tells": lambda n, seed: 1e6 + 1e-3 * normal(n, 5, seed).double(),
    "beyond float32": lambda n, seed: 1e39 * normal(n, 5, seed).double(),
    "duplicates": lambda n, seed: normal(5, 8, 0).repeat(n // 5, 1),
}
EACH = pytest.mark.parametrize("name", list(SETS))


@EACH
@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_equal_differences(name, k):
    queries, reference = SETS[name](100, 1), SETS[name](400, 2)
    found = nearest_neighbours(queries, reference, k, batch_size=30)
    between = differences(queries, reference)
    expected = between.topk(k, largest=False).values
    torch.testing.assert_close(found.distances.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(between.gather(1, found.indices), expected, rtol=1e-12, atol=0)


@EACH
def test_precision_and_recall_equal_differences(name):
    real, fake = SETS[name](400, 1).flatten(1), SETS[name](300, 2).flatten(1)

    def share(queries: Tensor, support: Tensor) -> float:
        radii = differences(support, support).topk(4, largest=False).values[:, -1]
        return (differences(queries, support) <= radii).any(dim=1).double().mean().item()

    found = precision_recall(real, fake, k=3)
    assert found.precision == pytest.approx(share(fake, real), abs=1e-9)
    assert found.recall == pytest.approx(share(real, fake), abs=1e-9)


def test_copies_of_data_with_an_offset_are_found():
    training, held_out = (10 + 0.01 * normal(500, 64, seed) for seed in (1, 2))
    report = copy_report(training[:50] + 1e-4 * normal(50, 64, 3), training, held_out)
    assert report.share_suspicious == 1
    assert report.neighbours.indices[:, 0].tolist() == list(range(50))


def test_a_query_on_the_edge_of_a_ball_is_inside():
    centre, radius = torch.zeros(1, 2), torch.tensor([5.0], dtype=torch.float64)
    queries = torch.tensor([[3.0, 4.0], [3.0, 4.000001], [0.0, 0.0], [-4.0, -3.0]])
    assert in_a_ball(queries, centre, radius).tolist() == [True, False, True, True]


def test_rounded_products_change_nothing(monkeypatch):
    queries, reference = normal(50, 64, 1), normal(300, 64, 2)
    exact = nearest_neighbours(queries, reference, 2)
    product = torch.addmm

    def rounded(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        return product(bias, a.bfloat16().float(), b.bfloat16().float(), beta=beta, alpha=alpha)

    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    monkeypatch.setattr(torch, "addmm", rounded)
    assert torch.equal(nearest_neighbours(queries, reference, 2).indices, exact.indices)


@pytest.mark.parametrize("backend", ["cuda.matmul", "mkldnn.matmul"])
def test_products_that_are_allowed_to_be_rounded_for_one_backend(backend):
    """By torch's newer setting, after which torch does not say any more what holds for all."""
    x, y = normal(50, 64, 1), normal(300, 64, 2)
    expected = nearest_neighbours(x, y, 2), precision_recall(x, y)
    settings = operator.attrgetter(backend)(torch.backends)
    before = settings.fp32_precision
    try:
        settings.fp32_precision = "tf32"
        found = nearest_neighbours(x, y, 2), precision_recall(x, y)
    finally:
        settings.fp32_precision = before
    assert torch.equal(found[0].indices, expected[0].indices)
    assert found[1] == expected[1]
