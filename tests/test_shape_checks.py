"""The checks that the tests install over the package find wrong shapes, sizes and types."""

from collections.abc import Iterator

import jaxtyping
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from tests.shape_checks import jaxtyped, typechecked


def distances(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    return torch.cdist(x, y)


def wrong_way_round(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    return torch.cdist(y, x)


def zeros(n: int) -> Float[Tensor, " {n}"]:
    return torch.zeros(max(n, 2))


def widths(tensors: list[Float[Tensor, "N D"]] | None) -> int:
    return len(tensors or [])


def rate(x: float) -> str:
    return f"{x:.1f}"


def rows(n: int) -> Iterator[Float[Tensor, " D"]]:
    yield from torch.zeros(n, 2)


def unwritten(x, y):
    return x, y


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (distances, (torch.zeros(3, 2), torch.zeros(4, 2)), (torch.zeros(3, 2), torch.zeros(4, 1))),
        (distances, (torch.zeros(1, 1), torch.zeros(1, 1)), (torch.zeros(3), torch.zeros(4, 2))),
        (distances, (torch.zeros(0, 1), torch.zeros(1, 1)), (torch.zeros(1, 1).long(),) * 2),
        (wrong_way_round, (torch.zeros(3, 2),) * 2, (torch.zeros(3, 2), torch.zeros(4, 2))),
        (zeros, (2,), (1,)),
        (widths, ([torch.zeros(2, 3)],), ([torch.zeros(2)],)),
        (rate, (1,), ("1",)),
        (rows, (2,), ("2",)),
    ],
)
def test_what_is_right_passes_and_what_is_wrong_is_told(function, right, wrong):
    checked = jaxtyped(typechecker=typechecked)(function)
    checked(*right)
    with pytest.raises(jaxtyping.TypeCheckError):
        checked(*wrong)


def test_sizes_are_forgotten_between_calls_and_after_an_error():
    checked = jaxtyped(distances)
    for d in (2, 3):
        assert checked(torch.zeros(3, d), torch.zeros(4, d)).shape == (3, 4)
        with pytest.raises(jaxtyping.TypeCheckError):
            checked(torch.zeros(3, d), torch.zeros(4, 1))


def test_what_has_no_annotation_is_left_as_it_is():
    assert jaxtyped(unwritten) is unwritten
