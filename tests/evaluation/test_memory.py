"""Memory of measures that compare all with all: it grows with a chunk, not with N × M."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aigc_tutorial import evaluation
from tests.evaluation import small_inputs as doors


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that an operation makes."""

    largest = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = op(*args, **(kwargs or {}))
        sizes = [x.untyped_storage().nbytes() for x in tree_leaves(result) if isinstance(x, Tensor)]
        self.largest = max([self.largest, *sizes])
        return result


def rows(n: int, seed: int) -> Tensor:
    return torch.randn(n, 4, generator=doors.seeded(seed))


MEASURES = {
    "precision_recall": lambda x, y: evaluation.precision_recall(x, y).precision,
    "density_coverage": lambda x, y: evaluation.density_coverage(x, y).density,
    "squared_mmd": lambda x, y: evaluation.squared_mmd(x, y).item(),
    "nearest_neighbours": lambda x, y: evaluation.nearest_neighbours(x, y).distances.sum().item(),
    "feature_statistics": lambda x, y: evaluation.feature_statistics(y).mean.sum().item(),
    "kernel_distance": lambda x, y: (
        evaluation.kernel_distance(x, y, rng=doors.seeded(), n_subsets=2, subset_size=200).mean
    ),
}


@pytest.mark.parametrize("name", list(MEASURES))
def test_no_tensor_is_as_large_as_all_pairs(name):
    x, y = rows(6_000, 1), rows(9_000, 2)
    with LargestTensor() as mode:
        MEASURES[name](x, y)
    assert 0 < mode.largest <= max(2 * 500 * len(y), 4 * 2048**2 + 2048 * 64) * 4
    assert mode.largest < 4 * len(x) * len(y) / 6


def test_chunks_do_not_change_the_mean_of_the_kernel():
    x, y = rows(2_500, 1).double(), rows(1_300, 2).double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kernel(x, x), kernel(y, y))]
    expected = within[0] + within[1] - 2 * kernel(x, y).mean()
    torch.testing.assert_close(evaluation.squared_mmd(x, y), expected, rtol=1e-9, atol=1e-12)


def test_chunks_do_not_change_precision_and_recall():
    real, fake = rows(2_500, 1), 1.5 * rows(2_100, 2)

    def share(queries: Tensor, support: Tensor) -> float:
        radii = torch.cdist(support, support).topk(4, dim=1, largest=False).values[:, -1]
        return (torch.cdist(queries, support) <= radii).any(dim=1).double().mean().item()

    found = evaluation.precision_recall(real, fake, k=3)
    # Distances of float32 can fall on either side of a radius: by one sample in a thousand.
    assert found.precision == pytest.approx(share(fake, real), abs=1e-3)
    assert found.recall == pytest.approx(share(real, fake), abs=1e-3)


def test_chunks_do_not_change_density_and_coverage():
    real, fake = rows(2_500, 1), 1.5 * rows(2_100, 2)
    radii = torch.cdist(real, real).topk(6, dim=1, largest=False).values[:, -1]
    inside = torch.cdist(fake, real) <= radii
    found = evaluation.density_coverage(real, fake, k=5)
    assert found.density == pytest.approx(inside.sum().item() / (5 * len(fake)), abs=1e-3)
    assert found.coverage == pytest.approx(inside.any(dim=0).double().mean().item(), abs=1e-3)
