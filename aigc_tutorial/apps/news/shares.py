"""Shares of a class: what a classifier that errs says of them, and how sure that is."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.apps.checks import as_share
from aigc_tutorial.apps.news.checks import as_counts, as_named
from aigc_tutorial.data.checks import Samples, require_rng
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class NamingRates:
    """How often a class is named, counted on labelled texts that trained nothing.

    Attributes:
        hits: texts of the class that are named so.
        n_class: texts of the class.
        false_hits: other texts that are named so.
        n_others: other texts.
    """

    hits: int
    n_class: int
    false_hits: int
    n_others: int

    def __post_init__(self) -> None:
        """Check that there is something to go by.

        Raises:
            ValueError: if one of the two kinds is missing, or more texts are named than there are.
        """
        if self.n_class < 1 or self.n_others < 1:
            raise ValueError(
                f"rates need texts of the class and others, got {self.n_class} and "
                f"{self.n_others}; take more labelled texts"
            )
        if not (0 <= self.hits <= self.n_class and 0 <= self.false_hits <= self.n_others):
            raise ValueError(
                f"{self.hits} of {self.n_class} and {self.false_hits} of {self.n_others} texts "
                "cannot be named so; of each kind name none to all"
            )

    @property
    def true_rate(self) -> float:
        """Share of the class that is found: its recall."""
        return self.hits / self.n_class

    @property
    def false_rate(self) -> float:
        """Share of the other texts that are named so by mistake."""
        return self.false_hits / self.n_others


def naming_rates(labels: Samples, named: Samples, of_class: int = 0) -> NamingRates:
    """Count how often a class is named, by right and by mistake.

    Args:
        labels: the true classes.
        named: those that a classifier named.
        of_class: which class; 0 is bearish.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if all texts are of the class, or none is, or the numbers of both differ.
    """
    labels, named = as_named(labels, named)
    is_class, is_named = labels == of_class, named == of_class
    return NamingRates(
        int((is_class & is_named).sum()),
        int(is_class.sum()),
        int((~is_class & is_named).sum()),
        int((~is_class).sum()),
    )


def adjusted_share(share_named: float, rates: NamingRates) -> float:
    r"""Share of a class, from the share that is named so.

    .. math:: p = \frac{q - f}{t - f}

    with the share named :math:`q`, true rate :math:`t` and false rate :math:`f`; a result outside
    of 0 to 1 is cut off. The rates must be those of the texts at hand: they may shift in time.

    Raises:
        ValueError: if the class is named no more often when it is right than when it is wrong, or
            ``share_named`` is no share.

    Source: Forman (2005), adjusted count.
    """
    share_named = as_share(share_named, "share_named")
    gap = rates.true_rate - rates.false_rate
    if gap <= 0:
        raise ValueError(
            f"the class is named in {rates.true_rate:.0%} of its texts and in "
            f"{rates.false_rate:.0%} of the others: such names say nothing of its share"
        )
    return min(1.0, max(0.0, (share_named - rates.false_rate) / gap))


def share_interval(
    n_named: Float[Tensor, " N"],
    n_texts: Float[Tensor, " N"],
    rates: NamingRates | None = None,
    *,
    rng: torch.Generator,
    level: float = 0.9,
    n_draws: int = 2_000,
) -> Float[Tensor, "N 3"]:
    r"""Lower end, median and upper end of shares, given counts.

    A share of which :math:`k` of :math:`n` were seen lies by
    :math:`\mathrm{Beta}(k + \tfrac12, n - k + \tfrac12)`. With ``rates`` it is the share that is
    *named*; both rates then have such distributions too, and each draw of the three is turned into
    the share of the class by :func:`adjusted_share`.

    Args:
        n_named: texts named so, of each period.
        n_texts: all texts of each period.
        rates: of the classifier; None where labels are known.
        rng: draws.
        level: probability within the interval.
        n_draws: for each period.

    Raises:
        TypeError: if rng is no generator.
        ValueError: if more texts are named than there are, or fewer than none; or they are counted
            over more than one axis; or the level is none; or the class is named no more often when
            it is right than when it is wrong.
    """
    require_rng(rng)
    n_texts, n_named = as_counts(n_texts, n_named, ("n_texts", "n_named"))
    if n_texts.ndim != 1:
        raise ValueError(
            f"n_texts and n_named must have one number a period, (N,), got {tuple(n_texts.shape)}; "
            "take one run after the other"
        )
    n_draws, level = as_count(n_draws, "n_draws"), as_share(level, "level")
    if rates is not None:
        adjusted_share(0.0, rates)
    seed = int(torch.randint(2**62, (1,), generator=rng, device=rng.device))
    draws = np.random.default_rng(seed)

    def beta(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
        return draws.beta(hits + 0.5, n - hits + 0.5, size=(n_draws, *hits.shape))

    shares = beta(n_named.double().cpu().numpy(), n_texts.double().cpu().numpy())
    if rates is not None:
        true, false = (
            beta(np.array([float(hits)]), np.array([float(n)]))
            for hits, n in ((rates.hits, rates.n_class), (rates.false_hits, rates.n_others))
        )
        gap = np.maximum(true - false, 1e-3)
        shares = np.clip((shares - false) / gap, 0, 1)
    ends = np.quantile(shares, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
    return torch.from_numpy(ends.T.copy()).float().to(n_texts.device)
