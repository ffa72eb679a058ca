"""Vector quantisation: a grid of vectors becomes a grid of whole numbers, and can still learn."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.nn.precision import autocast_off, full_precision


def straight_through(
    soft: Float[Tensor, "*shape"], hard: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    r"""The value of ``hard``, with the gradient of ``soft``.

    .. math:: y + \mathrm{sg}[h - y]

    where the stop-gradient sg is the identity with derivative zero. A step function has the
    derivative zero almost everywhere; this estimate replaces it by that of the identity (Bengio et
    al., 2013, arXiv 1308.3432).
    """
    return soft + (hard - soft).detach()


# A count below this is of a code that nothing chose for thousands of batches, or ever: a quotient
# of two such numbers is rounded badly, and of two zeros it is none.
_NO_COUNT = 1e-30


@dataclass(frozen=True)
class Quantised:
    """What a quantiser makes of features.

    Attributes:
        vectors: the nearest code's vector at every place; their gradient goes to the features.
        codes: its number.
        commitment: mean squared distance of the features from their codes, by which the features
            learn to stay near them.
    """

    vectors: Float[Tensor, "B D H W"]
    codes: Int64[Tensor, "B H W"]
    commitment: Float[Tensor, ""]


class VectorQuantiser(nn.Module):
    r"""A codebook: each vector of features is replaced by the nearest of K.

    The codes are no parameters. Each is the mean of the features that chose it, over the last
    batches, with weights that fall by ``decay`` from one to the one before (van den Oord et al.,
    2017, arXiv 1711.00937, appendix A.1):

    .. math:: N_k \leftarrow \gamma N_k + (1 - \gamma) n_k, \quad
              m_k \leftarrow \gamma m_k + (1 - \gamma) \sum_{i: c_i = k} y_i, \quad
              e_k = m_k / N_k

    A code that few features choose is dead: nothing would ever move it. It is put onto a feature of
    the batch at hand, and so are the codes at the first update, so that the codebook begins among
    the features. Where a batch has fewer features than there are codes, few is measured by the
    features that there are for each.

    Attributes:
        codebook: (K, D), the vectors e.
        usage: (K,), the counts N, in features of a batch.
    """

    codebook: Float[Tensor, "K D"]
    usage: Float[Tensor, " K"]
    sums: Float[Tensor, "K D"]

    def __init__(
        self, n_codes: int, dim: int, *, decay: float = 0.97, dead_below: float = 0.5
    ) -> None:
        """Make a codebook.

        Args:
            n_codes: K.
            dim: D, the features at one place.
            decay: γ; an average over about 1 / (1 - γ) batches.
            dead_below: a code that fewer features of a batch choose, on that average, is moved; of
                less than one feature for each code, fewer than this share. With 0 none is moved:
                what was not chosen yet stays where it is.

        Raises:
            ValueError: if a number is out of its range.
        """
        super().__init__()
        if n_codes < 1 or dim < 1:
            raise ValueError(f"a codebook needs codes and features, got {n_codes} of {dim}")
        if not 0 <= decay < 1 or not 0 <= dead_below < math.inf:
            raise ValueError(
                "decay must lie in [0, 1) and dead_below must be at least 0 and finite, got "
                f"{decay} and {dead_below}"
            )
        self.decay, self.dead_below = decay, dead_below
        self.register_buffer("codebook", torch.zeros(n_codes, dim))
        self.register_buffer("usage", torch.zeros(n_codes))
        self.register_buffer("sums", torch.zeros(n_codes, dim))

    def forward(self, features: Float[Tensor, "B D H W"]) -> Quantised:
        """Replace each place's vector by the nearest code's; the codebook stays as it is."""
        codes = self.nearest(features)
        vectors = self.lookup(codes)
        commitment = (features - vectors).square().mean()
        return Quantised(straight_through(features, vectors), codes, commitment)

    @autocast_off()
    @torch.no_grad()
    def nearest(self, features: Float[Tensor, "B D H W"]) -> Int64[Tensor, "B H W"]:
        """Number of the code nearest to each place's vector, in the Euclidean distance.

        It is looked for in full precision, also of features in half: rounded distances would give a
        place another code.
        """
        features, codebook = full_precision(features), full_precision(self.codebook)
        # |y - e|² without |y|², which is the same for every code.
        products = torch.einsum("bdhw,kd->bkhw", features, codebook)
        lengths = codebook.square().sum(1)[:, None, None]
        return (lengths - 2 * products).argmin(1)

    def lookup(self, codes: Int64[Tensor, "B H W"]) -> Float[Tensor, "B D H W"]:
        """Vectors of codes."""
        return self.codebook[codes].permute(0, 3, 1, 2)

    @torch.no_grad()
    def update(
        self,
        features: Float[Tensor, "B D H W"],
        codes: Int64[Tensor, "B H W"],
        *,
        rng: torch.Generator,
    ) -> int:
        """Move the codebook towards features, and dead codes onto some of them.

        Args:
            features: of one batch.
            codes: which they chose.
            rng: chooses the features for dead codes.

        Returns:
            How many codes were dead.
        """
        rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        chosen = codes.reshape(-1)
        counts = torch.bincount(chosen, minlength=len(self.usage)).to(self.usage)
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, rows.to(self.sums))
        self.usage.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        fair_share = len(rows) / len(self.usage)
        dead = (self.usage < self.dead_below * min(1.0, fair_share)).nonzero()[:, 0]
        drawn = torch.randint(len(rows), (len(dead),), generator=rng, device=rng.device)
        places = drawn.to(rows.device)
        # One that was moved counts as chosen by its share of the batch, so that it gets a trial.
        share = max(self.dead_below, fair_share)
        self.usage[dead] = share
        self.sums[dead] = share * rows[places].to(self.sums)
        means = self.sums / self.usage[:, None]
        self.codebook.copy_(torch.where(self.usage[:, None] > _NO_COUNT, means, self.codebook))
        return len(dead)
