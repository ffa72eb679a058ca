r"""Random sequences whose entropy rate is known exactly: no model can predict them any better.

All entropies are in nats and computed from the definition, never estimated from samples.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from aigc_tutorial.data.checks import as_tensor, require_rng
from aigc_tutorial.integers import as_count


@dataclass(frozen=True, eq=False)
class MarkovChain:
    r"""A sequence whose next state depends on the present one alone.

    Attributes:
        transition: row i holds :math:`P_{ij} = p(x_t = j \mid x_{t-1} = i)`. From every state every
            other must be reachable, or there would be more than one stationary distribution.
    """

    transition: Float[Tensor, "S S"]

    def __post_init__(self) -> None:
        """Check that the rows are distributions and that the states are connected.

        Numbers of another floating-point type become float64.
        """
        # A copy: whoever goes on to change the matrix makes another chain.
        transition = as_tensor(self.transition, "transition").to("cpu", torch.float64, copy=True)
        object.__setattr__(self, "transition", transition)
        if self.transition.ndim != 2 or len(set(self.transition.shape)) != 1:
            raise ValueError(
                f"transition must be a square matrix, got shape {tuple(self.transition.shape)}"
            )
        rows = self.transition.sum(dim=1)
        if not (self.transition >= 0).all() or not torch.allclose(rows, torch.ones_like(rows)):
            raise ValueError(
                "each row of transition must be a probability distribution, "
                f"got rows that sum to {rows.tolist()}"
            )
        stays = torch.eye(self.n_states, dtype=torch.bool, device="cpu")
        reachable = ((self.transition > 0) | stays).double()
        for _ in range(self.n_states.bit_length()):  # each squaring doubles the number of steps
            reachable = (reachable @ reachable > 0).double()
        if not reachable.all():
            raise ValueError("every state must be reachable from every other")

    @property
    def n_states(self) -> int:
        """Number of states, S; they are numbered from 0."""
        return len(self.transition)

    @property
    def stationary(self) -> Float64[Tensor, " S"]:
        r"""The distribution :math:`\pi = \pi P` that a step leaves as it is."""
        # States are taken out, the last one first, and their ways given to those that stay; then
        # they are put back. Nothing is subtracted, so that a rare state has a small probability
        # and not what rounding leaves, which may be below 0 (Grassmann, Taksar & Heyman, 1985).
        ways = self.transition.clone()
        for last in range(self.n_states - 1, 0, -1):
            ways[:last, last] /= ways[last, :last].sum()
            ways[:last, :last] += ways[:last, last].outer(ways[last, :last])
        probabilities = torch.ones(1, dtype=torch.float64, device="cpu")
        for state in range(1, self.n_states):
            one_more = (probabilities @ ways[:state, state]).unsqueeze(0)
            probabilities = torch.cat([probabilities, one_more]) / (1 + one_more)
        return probabilities

    @property
    def entropy_rate(self) -> float:
        r"""What the whole past leaves open about the next state: :math:`H(x_t \mid x_{t-1})`."""
        return self.conditional_entropy(1)

    def conditional_entropy(self, lag: int) -> float:
        r"""Entropy in nats of a state given the one ``lag`` steps before and none in between.

        .. math:: H(x_t \mid x_{t-k}) = -\sum_i \pi_i \sum_j (P^k)_{ij} \log (P^k)_{ij}

        Because of the Markov property it is also the entropy given *all* states up to
        :math:`x_{t-k}`.
        """
        if lag < 1:
            raise ValueError(f"lag is {lag}; expected at least 1")
        return float(self.stationary @ _entropy(self.transition.matrix_power(lag)))

    def sample(
        self, n_sequences: int, length: int, *, rng: torch.Generator
    ) -> Int64[Tensor, "n_sequences length"]:
        """Draw sequences that begin in the stationary distribution."""
        as_count(n_sequences, "n_sequences")
        as_count(length, "length")
        require_rng(rng)
        states = torch.empty(n_sequences, length, dtype=torch.int64, device="cpu")
        distribution = self.stationary.expand(n_sequences, -1)
        for t in range(length):
            states[:, t] = torch.multinomial(distribution, 1, generator=rng)[:, 0]
            distribution = self.transition[states[:, t]]
        return states


def ring_chain() -> MarkovChain:
    """Eight states on a ring, of which the last but one tells much less than the last.

    A step goes to the next state (.712), to the one opposite to that (.209), or nowhere (.079).
    Given the last state .770 nats are open, given only the one before 1.079.
    """
    first_row = torch.zeros(8, dtype=torch.float64, device="cpu")
    first_row[[1, 5, 0]] = torch.tensor([0.712, 0.209, 0.079], dtype=torch.float64, device="cpu")
    return MarkovChain(torch.stack([first_row.roll(state) for state in range(8)]))


@dataclass(frozen=True)
class XORChain:
    r"""Bits, each the exclusive or of the two before it, flipped with probability p.

    .. math:: x_t = x_{t-1} \oplus x_{t-2} \oplus e_t, \qquad p(e_t = 1) = p

    One bit back tells nothing (log 2 nats are left), two bits back tell all there is to know: the
    smallest sequence that shows why "the previous step" is not the past.

    Attributes:
        flip_probability: p, above 0 and below 1.
    """

    flip_probability: float = 0.1

    def __post_init__(self) -> None:
        """Check the probability."""
        if not 0 < self.flip_probability < 1:
            raise ValueError(
                f"flip_probability is {self.flip_probability}; expected between 0 and 1"
            )

    @property
    def pairs(self) -> MarkovChain:
        r"""The same process as a Markov chain over pairs: state :math:`2 x_{t-1} + x_t`."""
        transition = torch.zeros(4, 4, dtype=torch.float64, device="cpu")
        for before_last in (0, 1):
            for last in (0, 1):
                likely = before_last ^ last
                transition[2 * before_last + last, 2 * last + likely] = 1 - self.flip_probability
                transition[2 * before_last + last, 2 * last + 1 - likely] = self.flip_probability
        return MarkovChain(transition)

    @property
    def entropy_rate(self) -> float:
        r"""What two bits leave open: :math:`H(x_t \mid x_{t-1}, x_{t-2}) = H(p)`, in nats."""
        p = self.flip_probability
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    @property
    def entropy_given_last(self) -> float:
        r"""What the last bit alone leaves open: :math:`H(x_t \mid x_{t-1}) = \log 2`, in nats."""
        joint = self.pairs.stationary.reshape(2, 2)  # p(x_{t-1}, x_t)
        last = joint.sum(dim=1)
        return float(last @ _entropy(joint / last[:, None]))

    def sample(
        self, n_sequences: int, length: int, *, rng: torch.Generator
    ) -> Int64[Tensor, "n_sequences length"]:
        """Draw sequences; their first two bits are fair coins, which is the stationary start."""
        as_count(n_sequences, "n_sequences")
        as_count(length, "length")
        require_rng(rng)
        flips = (
            torch.rand(n_sequences, length, generator=rng, dtype=torch.float32, device="cpu")
            < self.flip_probability
        )
        bits = torch.randint(2, (n_sequences, length), generator=rng, device="cpu")
        for t in range(2, length):
            bits[:, t] = bits[:, t - 1] ^ bits[:, t - 2] ^ flips[:, t].long()
        return bits


def _entropy(probabilities: Float[Tensor, "N S"]) -> Float[Tensor, " N"]:
    """Entropy of each row, with 0 log 0 = 0."""
    return torch.special.entr(probabilities).sum(dim=1)
