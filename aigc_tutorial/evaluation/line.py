"""Distances between two distributions on the line, where they can be computed exactly."""

import math

import torch

from aigc_tutorial.data.checks import Samples, as_tensor, require_finite


def wasserstein_1d(x: Samples, y: Samples) -> float:
    r"""Exact Wasserstein-1 distance of two equally large samples on the line.

    .. math:: W_1 = \frac1N \sum_{i=1}^{N} \lvert x_{(i)} - y_{(i)} \rvert

    with both samples sorted: on the line no plan of transport is cheaper than the one that keeps
    the order (Villani, 2003, Topics in Optimal Transportation, theorem 2.18).

    >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([6.0, 5.0]))
    5.0

    Args:
        x: one sample of numbers, on any device.
        y: the other, of the same size.

    Raises:
        ValueError: if the sizes differ or are 0, or a number is not finite.
    """
    x, y = as_tensor(x, "x").cpu(), as_tensor(y, "y").cpu()
    if x.shape != y.shape or x.ndim != 1 or len(x) == 0:
        raise ValueError(
            "the samples must be two vectors of one length, at least 1, got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}; cut the longer one at random"
        )
    require_finite(x, "x")
    require_finite(y, "y")
    return (x.sort().values.double() - y.sort().values.double()).abs().mean().item()


def jensen_shannon_1d(log_p: Samples, log_q: Samples, spacing: float) -> float:
    r"""Jensen-Shannon divergence of two densities on the line, in nats, by quadrature.

    .. math:: \mathrm{JSD}(p \,\|\, q)
              = \tfrac12 \mathrm{KL}\bigl(p \,\|\, m\bigr)
              + \tfrac12 \mathrm{KL}\bigl(q \,\|\, m\bigr), \quad m = \tfrac12 (p + q)

    From 0 for equal densities to log 2 for densities that do not overlap. Logarithms are taken so
    that tails far below the smallest positive number do no harm.

    Args:
        log_p: logarithm of p at points with equal spacing that hold nearly all of p and q.
        log_q: the same of q.
        spacing: distance between neighbouring points.

    Raises:
        ValueError: if p or q does not integrate to 1 over the points, within one part in 1000, if
            they are given at different points, or the spacing is not positive.
    """
    if not 0 < spacing < math.inf:
        raise ValueError(f"spacing must be a positive number, got {spacing}")
    log_p, log_q = (
        as_tensor(x, name).cpu().double() for x, name in ((log_p, "log_p"), (log_q, "log_q"))
    )
    if log_p.shape != log_q.shape:
        raise ValueError(
            "log_p and log_q must be given at the same points, got shapes "
            f"{tuple(log_p.shape)} and {tuple(log_q.shape)}"
        )
    p, q = log_p.exp(), log_q.exp()
    for density, name in ((p, "p"), (q, "q")):
        total = density.sum().item() * spacing
        if not abs(total - 1) < 1e-3:
            raise ValueError(
                f"{name} integrates to {total:.4g} over the points, expected 1: they do not "
                "reach far enough, lie too far apart, or the density is not normalised"
            )
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    integrand = torch.where(p > 0, p * (log_p - log_m), 0) + torch.where(
        q > 0, q * (log_q - log_m), 0
    )
    return max(0.0, 0.5 * spacing * integrand.sum().item())
