"""Entropies that follow from the definition, and samples that follow the chains."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import MarkovChain, XORChain, ring_chain

LOG_2 = math.log(2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_chain(n_states, seed):
    weights = torch.rand(n_states, n_states, dtype=torch.float64, generator=seeded(seed)) + 1e-3
    return MarkovChain(weights / weights.sum(dim=1, keepdim=True))


def conditional_entropy_of(counts):
    """H(second | first) of a table of joint counts, in nats."""
    joint = counts.double() / counts.sum()
    entropy = torch.special.entr
    return (entropy(joint).sum() - entropy(joint.sum(dim=1)).sum()).item()


def joint_counts(first, second, n):
    return (first.flatten() * n + second.flatten()).bincount(minlength=n * n).reshape(n, n)


@given(n_states=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_a_step_leaves_the_stationary_distribution_as_it_is(n_states, seed):
    chain = random_chain(n_states, seed)
    pi = chain.stationary
    torch.testing.assert_close(pi @ chain.transition, pi)
    assert pi.sum().item() == pytest.approx(1)
    assert (pi > 0).all()


@given(n_states=st.integers(2, 6), seed=st.integers(0, 2**32))
def test_a_longer_lag_never_tells_more(n_states, seed):
    chain = random_chain(n_states, seed)
    entropies = [chain.conditional_entropy(lag) for lag in range(1, 8)]
    unconditional = torch.special.entr(chain.stationary).sum().item()
    rounding = 1e-12
    assert all(b >= a - rounding for a, b in itertools.pairwise([*entropies, unconditional]))


def test_two_states_have_the_entropy_of_the_textbook():
    a, b = 0.2, 0.4
    chain = MarkovChain(torch.tensor([[1 - a, a], [b, 1 - b]], dtype=torch.float64))

    def binary(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    assert chain.stationary.tolist() == pytest.approx([b / (a + b), a / (a + b)])
    assert chain.entropy_rate == pytest.approx((b * binary(a) + a * binary(b)) / (a + b))


def test_a_chain_without_chance_has_no_entropy():
    cycle = torch.eye(5, dtype=torch.float64).roll(1, dims=1)
    chain = MarkovChain(cycle)
    assert chain.entropy_rate == 0
    assert chain.stationary.tolist() == pytest.approx([0.2] * 5)
    states = chain.sample(3, 20, rng=seeded())
    assert torch.equal(states[:, 1:], (states[:, :-1] + 1) % 5)


def test_the_ring_has_the_entropies_of_erratum_e34():
    chain = ring_chain()
    assert chain.n_states == 8
    assert round(chain.conditional_entropy(1), 3) == 0.770
    assert round(chain.conditional_entropy(2), 3) == 1.079
    assert chain.entropy_rate == chain.conditional_entropy(1)


@pytest.mark.parametrize("chain", [ring_chain(), random_chain(4, 1)], ids=["ring", "random"])
def test_samples_have_the_computed_entropies(chain):
    x = chain.sample(200, 500, rng=seeded())
    for lag in (1, 2):
        counts = joint_counts(x[:, :-lag], x[:, lag:], chain.n_states)
        # 100,000 pairs; the estimate's bias is about S² / 2N and its deviation about 1 / sqrt(N).
        estimate = conditional_entropy_of(counts)
        assert estimate == pytest.approx(chain.conditional_entropy(lag), abs=0.015)


def test_sequences_are_stationary_from_the_first_state_on():
    chain = random_chain(4, 2)
    x = chain.sample(40_000, 3, rng=seeded())
    for t in range(3):
        shares = x[:, t].bincount(minlength=4) / len(x)
        # Five standard deviations of a share, at most sqrt(1/4 / 40,000) = 0.0025.
        assert (shares - chain.stationary).abs().max() < 5 * 0.0025


def test_the_seed_decides_the_samples():
    for chain in (ring_chain(), XORChain()):
        a, b, c = (chain.sample(4, 50, rng=seeded(seed)) for seed in (1, 1, 2))
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert a.shape == (4, 50)
        assert a.dtype == torch.int64


def test_rows_must_be_distributions():
    with pytest.raises(ValueError, match="probability distribution"):
        MarkovChain(torch.full((2, 2), 0.6, dtype=torch.float64))
    with pytest.raises(ValueError, match="probability distribution"):
        MarkovChain(torch.tensor([[1.5, -0.5], [0.5, 0.5]], dtype=torch.float64))


def test_a_chain_in_two_parts_is_refused():
    with pytest.raises(ValueError, match="reachable"):
        MarkovChain(torch.eye(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="reachable"):  # one way only
        MarkovChain(torch.tensor([[0.5, 0.5], [0.0, 1.0]], dtype=torch.float64))


def test_a_long_cycle_is_connected():
    assert MarkovChain(torch.eye(33, dtype=torch.float64).roll(1, dims=1)).n_states == 33


def test_a_lag_of_nothing_is_refused():
    with pytest.raises(ValueError, match="lag is 0"):
        ring_chain().conditional_entropy(0)


# --- XOR ----------------------------------------------------------------------------------------


@given(p=st.floats(0.01, 0.99))
def test_the_xor_chain_is_a_markov_chain_of_pairs(p):
    chain = XORChain(p)
    assert chain.pairs.entropy_rate == pytest.approx(chain.entropy_rate)
    torch.testing.assert_close(chain.pairs.stationary, torch.full((4,), 0.25).double())


@given(p=st.floats(0.01, 0.99))
def test_one_bit_back_tells_nothing(p):
    assert XORChain(p).entropy_given_last == pytest.approx(LOG_2)


def test_the_default_has_the_entropy_rate_of_erratum_e35():
    assert round(XORChain().entropy_rate, 3) == 0.325


def test_samples_of_the_xor_chain_have_its_entropies():
    chain = XORChain()
    x = chain.sample(200, 500, rng=seeded())
    assert conditional_entropy_of(joint_counts(x[:, :-1], x[:, 1:], 2)) == pytest.approx(
        LOG_2, abs=0.001
    )
    past = 2 * x[:, :-2] + x[:, 1:-1]
    counts = (2 * past + x[:, 2:]).flatten().bincount(minlength=8).reshape(4, 2)
    assert conditional_entropy_of(counts) == pytest.approx(chain.entropy_rate, abs=0.015)
    flipped = x[:, 2:] ^ x[:, 1:-1] ^ x[:, :-2]
    # 99,600 flips with probability 0.1: standard deviation of the share 0.00095; five of them.
    assert flipped.double().mean().item() == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 2.0])
def test_a_flip_must_be_possible_and_not_certain(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        XORChain(p)


def test_a_chain_does_not_change_with_the_matrix_that_it_was_made_of():
    matrix = torch.full((2, 2), 0.5, dtype=torch.float64)
    chain = MarkovChain(matrix)
    matrix[0] = torch.tensor([0.9, 0.1])
    assert chain.entropy_rate == pytest.approx(math.log(2))


@pytest.mark.parametrize("upwards", [0.1, 0.9])
def test_a_rare_state_has_a_small_probability_and_not_one_below_zero(upwards):
    """A walk with a wall at each end: by balance p(i + 1) / p(i) is the ratio of the two ways."""
    n, states = 60, torch.arange(60)
    walk = torch.zeros(n, n, dtype=torch.float64)
    walk[states, (states + 1).clamp(max=n - 1)] += upwards
    walk[states, (states - 1).clamp(min=0)] += 1 - upwards
    chain = MarkovChain(walk)
    powers = (upwards / (1 - upwards)) ** states.double()
    torch.testing.assert_close(chain.stationary, powers / powers.sum(), rtol=1e-10, atol=0)
    assert chain.sample(3, 5, rng=seeded()).shape == (3, 5)
