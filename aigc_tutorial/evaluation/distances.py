"""Euclidean distances between many samples: as fast as a matrix product, and as right as none.

|x - r|² = |x|² - 2 x·r + |r|² costs one matrix product, but loses the digits that tell near
samples from each other where both lie far from the origin. So the product only finds out which
pairs matter; its error is bounded, and whatever the bound leaves open is decided by the
differences themselves in float64.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.nn import autocast_off
from aigc_tutorial.nn.precision import rounding_of_factors

_ROWS_AT_A_TIME = 2048
"""Blocks of so many rows by so many are compared at a time: 16 MiB, whatever N and M are."""
QUERIES_AT_A_TIME = 500
"""Distances of so many samples to all of their set are in memory at once, for the balls."""
_PAIRS_AT_A_TIME = 16_384
_SPARE_CANDIDATES = 16
"""So many more than k candidates: then the bound nearly always tells that the k are the nearest."""


class _Comparison:
    """Two sets, centred and scaled in float32 for the product, and as they are for the decision.

    Distances do not change when both sets are moved, their order not when both are scaled.

    Attributes:
        x: queries as they were given, one a row.
        r: support as it was given.
        rough_x: queries for the product, all between -1 and 1.
        rough_r: support for the product.
        half_squares: half the squared norms of ``rough_r``.
        scale: what a distance in the rough sets is multiplied by to be one in the given sets.
        exact_dtype: float64, except on accelerators that may not have it.
    """

    def __init__(self, x: Float[Tensor, "N F"], r: Float[Tensor, "M F"]) -> None:
        self.x, self.r = x, r
        has_float64 = x.device.type in ("cpu", "cuda", "xpu")
        self.exact_dtype = torch.float64 if has_float64 else torch.float32
        parts = r.split(_ROWS_AT_A_TIME)
        centre = sum((p.to(self.exact_dtype).sum(0) for p in parts), x.new_zeros(())) / len(r)
        centre = centre.to(torch.promote_types(x.dtype, r.dtype))
        rough_x, rough_r = x - centre, r - centre
        self.scale = float(max(rough_x.abs().max(), rough_r.abs().max())) or 1.0
        if not 1e-150 < self.scale < 1e150:
            raise ValueError(
                f"The samples lie up to {self.scale:.3g} from their centre, and float64 does not "
                "hold the square of such a distance. Divide both sets by one number."
            )
        self.rough_x, self.rough_r = (rough_x / self.scale).float(), (rough_r / self.scale).float()
        self.half_squares = self.rough_r.square().sum(dim=1) / 2
        # Of a sum of F products in any order, doubled for what centring and scaling rounded.
        self.relative_error = 2 * (x.shape[1] + 8) * torch.finfo(torch.float32).eps
        self.relative_error += rounding_of_factors()

    def half_squares_and_bound(
        self, rows: Int64[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Half the squared norms of some rough queries, and how far the product may be off."""
        half = self.rough_x[rows].square().sum(dim=1) / 2
        # |x|²/2 + |x||r| + |r|²/2 bounds every term that is added.
        return half, self.relative_error * (half.sqrt() + self.half_squares.max().sqrt()).square()

    def exact(self, x: Float[Tensor, "p F"], r: Float[Tensor, "p F"]) -> Float[Tensor, " p"]:
        """Distance of each pair of given rows, from their differences."""
        return (x.to(self.exact_dtype) - r.to(self.exact_dtype)).norm(dim=1)

    def blocks(self) -> Iterator[tuple[int, Float[Tensor, "m F"]]]:
        """The given support, some rows at a time, with the index of the first of them."""
        for start in range(0, len(self.r), _ROWS_AT_A_TIME):
            yield start, self.r[start : start + _ROWS_AT_A_TIME].to(self.exact_dtype)


@autocast_off()
def nearest(
    x: Float[Tensor, "N F"], r: Float[Tensor, "M F"], k: int, batch_size: int
) -> tuple[Float[Tensor, "N k"], Int64[Tensor, "N k"]]:
    """The k rows of ``r`` nearest to each row of ``x``, nearest first.

    Args:
        x: Queries, finite, on one device with ``r``.
        r: At least k rows, finite.
        k: Number of neighbours.
        batch_size: Queries compared at a time; batch_size × M numbers are in memory.

    Returns:
        Distances in float64 (float32 on accelerators without it) and indices, on that device.
    """
    comparison = _Comparison(x, r)
    n_candidates = min(len(r), k + _SPARE_CANDIDATES)
    distances, indices = [], []
    for rows in torch.arange(len(x), device=x.device).split(batch_size):
        # |x - r|² / 2 orders like |r|² / 2 - x·r.
        rough = torch.addmm(
            comparison.half_squares, comparison.rough_x[rows], comparison.rough_r.T, alpha=-1
        )
        found = rough.topk(n_candidates, dim=1, largest=False)
        exact, order = torch.stack(
            [comparison.exact(x[rows], r[column]) for column in found.indices.T], dim=1
        ).sort(dim=1, stable=True)
        exact, chosen = exact[:, :k], found.indices.gather(1, order)[:, :k]
        if n_candidates < len(r):
            half, bound = comparison.half_squares_and_bound(rows)
            # No other row is nearer than the farthest candidate, but for the error.
            others_at_least = found.values[:, -1] + half - bound
            sure = (exact[:, -1] / comparison.scale).square() / 2 <= others_at_least
            if not sure.all():
                exact[~sure], chosen[~sure] = _nearest_by_differences(comparison, rows[~sure], k)
        distances.append(exact)
        indices.append(chosen)
    return torch.cat(distances), torch.cat(indices)


def _nearest_by_differences(
    comparison: _Comparison, rows: Int64[Tensor, " n"], k: int
) -> tuple[Float[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """The same for some queries without any product: slow, for what a product cannot tell."""
    x = comparison.x[rows].to(comparison.exact_dtype)
    best = x.new_full((len(x), k), torch.inf)
    best_index = torch.zeros(len(x), k, dtype=torch.int64, device=x.device)
    for start, block in comparison.blocks():
        between = torch.cdist(x, block, compute_mode="donot_use_mm_for_euclid_dist")
        index = torch.arange(start, start + len(block), device=x.device).expand(len(x), -1)
        best, order = torch.cat([best, between], dim=1).topk(k, dim=1, largest=False)
        best_index = torch.cat([best_index, index], dim=1).gather(1, order)
    # One formula for all distances: equal pairs are equal to the bit.
    exact = torch.stack([comparison.exact(x, comparison.r[c]) for c in best_index.T], dim=1)
    exact, order = exact.sort(dim=1, stable=True)
    return exact, best_index.gather(1, order)


def neighbour_radii(x: Float[Tensor, "N F"], k: int) -> Float[Tensor, " N"]:
    """Distance of each row to its k-th nearest other row.

    Args:
        x: More than k rows, finite.
        k: At least 1.
    """
    # A row's nearest is itself, so that its k-th neighbour comes as the (k + 1)-th.
    return nearest(x, x, k + 1, QUERIES_AT_A_TIME)[0][:, -1]


@autocast_off()
def in_a_ball(
    x: Float[Tensor, "N F"], r: Float[Tensor, "M F"], radii: Float[Tensor, " M"]
) -> Bool[Tensor, " N"]:
    """Whether each row of ``x`` lies in the closed ball around at least one row of ``r``.

    Args:
        x: Queries, finite, on one device with ``r``.
        r: Centres, finite.
        radii: Radius of each centre's ball, as :func:`nearest` gives distances.
    """
    comparison = _Comparison(x, r)
    inside = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for rows, start, within, slack in _depths(comparison, radii):
        inside[rows] |= (within > slack).any(dim=1)
        doubtful = (within.abs() <= slack) & ~inside[rows, None]
        for q in _queries_inside(comparison, radii, rows, start, doubtful):
            inside[q] = True
    return inside


@autocast_off()
def balls_around(
    x: Float[Tensor, "N F"], r: Float[Tensor, "M F"], radii: Float[Tensor, " M"]
) -> Int64[Tensor, " N"]:
    """In how many of the closed balls around the rows of ``r`` each row of ``x`` lies.

    Args:
        x: Queries, finite, on one device with ``r``.
        r: Centres, finite.
        radii: Radius of each centre's ball, as :func:`nearest` gives distances.
    """
    comparison = _Comparison(x, r)
    count = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for rows, start, within, slack in _depths(comparison, radii):
        count[rows] += (within > slack).sum(dim=1)
        doubtful = within.abs() <= slack
        for q in _queries_inside(comparison, radii, rows, start, doubtful):
            count += torch.bincount(q, minlength=len(x))
    return count


def _depths(
    comparison: _Comparison, radii: Float[Tensor, " M"]
) -> Iterator[tuple[Int64[Tensor, " n"], int, Float[Tensor, "n m"], Float[Tensor, "n m"]]]:
    """How deep queries lie in balls, a block of either at a time, in halves of rough squares.

    Yields:
        The queries' rows, the first ball's, the depths, and how far these may be off.
    """
    half_radii = ((radii / comparison.scale).square() / 2).float()
    for rows in torch.arange(len(comparison.x), device=radii.device).split(_ROWS_AT_A_TIME):
        half, bound = comparison.half_squares_and_bound(rows)
        for start in range(0, len(radii), _ROWS_AT_A_TIME):
            part = slice(start, start + _ROWS_AT_A_TIME)
            within = torch.addmm(
                half_radii[part] - comparison.half_squares[part],
                comparison.rough_x[rows],
                comparison.rough_r[part].T,
            ).sub_(half[:, None])
            yield rows, start, within, bound[:, None] + comparison.relative_error * half_radii[part]


def _queries_inside(
    comparison: _Comparison,
    radii: Float[Tensor, " M"],
    rows: Int64[Tensor, " n"],
    start: int,
    doubtful: Bool[Tensor, "n m"],
) -> Iterator[Int64[Tensor, " p"]]:
    """Queries of the doubtful pairs, query and ball, whose differences say that it is inside."""
    query, centre = doubtful.nonzero().T
    for q, c in zip(
        rows[query].split(_PAIRS_AT_A_TIME),
        (start + centre).split(_PAIRS_AT_A_TIME),
        strict=True,
    ):
        yield q[comparison.exact(comparison.x[q], comparison.r[c]) <= radii[c]]
