"""Speculative decoding: exactly the target's distribution, whatever the draft guesses."""

import math
from collections import defaultdict

import pytest
import torch
from torch import nn

from aigc_tutorial.ar import (
    AutoregressiveModel,
    SamplingConfig,
    Transformer,
    TransformerConfig,
    WindowConfig,
    WindowModel,
    generate,
    speculative_generate,
)
from aigc_tutorial.ar.generation import speculative
from aigc_tutorial.ar.generation.reader import window_start
from aigc_tutorial.ar.generation.sampling import process
from tests import second_device
from tests.ar.checks import randomize
from tests.ar.small_models import CANNOT_GO_BACK, NAMES, make

GREEDY = SamplingConfig(temperature=0)
CAN_GO_BACK = [name for name in NAMES if name not in CANNOT_GO_BACK]


class Branches:
    """Stands in for the two random decisions, takes every branch, and keeps its probability.

    The probability with which ``count_accepted`` takes a number of guesses is written down here
    once more, from the paper; that the function keeps to it has a test of its own.
    """

    def __init__(self):
        self.path = []  # [choice, number of choices] of each decision up to now
        self.depth, self.probability = 0, 1.0

    def restart(self):
        self.depth, self.probability = 0, 1.0

    def next_path(self):
        """Go to the next leaf of the tree; False after the last one."""
        while self.path and self.path[-1][0] + 1 == self.path[-1][1]:
            self.path.pop()
        if self.path:
            self.path[-1][0] += 1
        return bool(self.path)

    def choose(self, probabilities):
        possible = [i for i, p in enumerate(probabilities) if p > 0]
        if self.depth == len(self.path):
            self.path.append([0, len(possible)])
        choice = possible[self.path[self.depth][0]]
        self.depth += 1
        self.probability *= probabilities[choice]
        return choice

    def draw(self, probabilities, *, rng=None):
        token = self.choose(probabilities.flatten().double().tolist())
        return torch.full(probabilities.shape[:-1], token)

    def count_accepted(self, guesses, p, q, *, rng=None):
        ratios = [
            min(1.0, (p_row[x] / q_row[x]).item())
            for x, p_row, q_row in zip(guesses, p.double(), q.double(), strict=True)
        ]
        ends = [math.prod(ratios[:n]) * (1 - ratios[n]) for n in range(len(ratios))]
        return self.choose([*ends, math.prod(ratios)])


def speculative_distribution(monkeypatch, *arguments, **options):
    """Probability of every result, by running every branch of the algorithm."""
    branches, total = Branches(), defaultdict[tuple[int, ...], float](float)
    monkeypatch.setattr(speculative, "draw", branches.draw)
    monkeypatch.setattr(speculative, "count_accepted", branches.count_accepted)
    while True:
        branches.restart()
        result = speculative_generate(*arguments, **options)
        total[tuple(result.tokens.tolist())] += branches.probability
        if not branches.next_path():
            return dict(total)


@torch.no_grad()
def plain_distribution(model, prompt, n_new, config, stop_tokens=()):
    """Probability of every result of plain generation, by the chain rule."""
    complete: dict[tuple[int, ...], float] = {}
    growing = {tuple(prompt): 1.0}
    for n in range(1, n_new + 1):
        extended: dict[tuple[int, ...], float] = {}
        for tokens, probability in growing.items():
            seen = torch.tensor([tokens])
            logits = model(seen[:, window_start(len(tokens), model.context) :])[:, -1]
            steps = process(logits, config, seen).double().softmax(1)[0].tolist()
            for token, step in enumerate(steps):
                ends = token in stop_tokens or n == n_new
                if step > 0:
                    (complete if ends else extended)[(*tokens, token)] = probability * step
        growing = extended
    return complete


def small_transformer(vocab_size, context, *, seed):
    config = TransformerConfig(
        vocab_size, context=context, n_layers=1, n_heads=1, width=4, token_shift=1
    )
    return randomize(Transformer(config), seed=seed, scale=1.0)


def small_window(vocab_size, *, seed):
    config = WindowConfig(vocab_size, window=2, embedding_dim=3, hidden_dim=4)
    return randomize(WindowModel(config), seed=seed, scale=1.0)


@pytest.mark.parametrize("stop_tokens", [(), (1,)])
@pytest.mark.parametrize("n_guesses", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_distribution_is_exactly_the_targets(monkeypatch, seed, n_guesses, stop_tokens):
    """Every branch, and across the edge of both contexts: the target's is 4, the draft's 3."""
    target, draft = small_transformer(2, 4, seed=seed), small_transformer(2, 3, seed=seed + 9)
    actual = speculative_distribution(
        monkeypatch,
        target,
        draft,
        torch.tensor([1, 0]),
        max_new_tokens=4,
        n_guesses=n_guesses,
        stop_tokens=stop_tokens,
    )
    expected = plain_distribution(target, [1, 0], 4, SamplingConfig(), stop_tokens)
    assert sum(actual.values()) == pytest.approx(1, abs=1e-5)
    assert actual == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(temperature=0.5),
        SamplingConfig(top_k=2),
        SamplingConfig(top_p=0.8, repetition_penalty=1.5),
        GREEDY,
    ],
)
def test_the_distribution_is_the_targets_as_configured(monkeypatch, config):
    target, draft = small_window(3, seed=0), small_window(3, seed=5)
    actual = speculative_distribution(
        monkeypatch,
        target,
        draft,
        torch.tensor([2]),
        max_new_tokens=3,
        n_guesses=2,
        config=config,
    )
    assert actual == pytest.approx(plain_distribution(target, [2], 3, config), abs=1e-5)


def test_a_wrong_replacement_would_be_noticed(monkeypatch):
    """Drawing from p after a rejection, which looks right, is the usual mistake."""
    monkeypatch.setattr(speculative, "residual", lambda p, q: p)
    target, draft = small_window(2, seed=0), small_window(2, seed=5)
    actual = speculative_distribution(
        monkeypatch, target, draft, torch.tensor([1]), max_new_tokens=2, n_guesses=1
    )
    expected = plain_distribution(target, [1], 2, SamplingConfig())
    assert max(abs(actual[tokens] - expected[tokens]) for tokens in expected) > 0.001


def test_guesses_are_accepted_up_to_the_ratio_of_probabilities(monkeypatch):
    p = torch.tensor([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5], [0.0, 1.0]])
    q = torch.tensor([[0.4, 0.6], [0.3, 0.7], [0.5, 0.5], [0.2, 0.8]])
    guesses = torch.zeros(4, dtype=torch.int64)  # accepted with 1/4, 1, 1 and 0
    for noise, expected in (
        ([0.249, 0.999, 0.999, 0.5], 3),
        ([0.251, 0.0, 0.0, 0.0], 0),
        ([0.0, 0.999, 0.999, 0.0], 3),
    ):
        monkeypatch.setattr(torch, "rand", lambda *_, noise=noise, **__: torch.tensor(noise))
        assert speculative.count_accepted(guesses, p, q) == expected
        assert speculative.count_accepted(guesses[:1], p[:1], q[:1]) == min(expected, 1)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.empty(0))
    assert speculative.count_accepted(guesses[:0], p[:0], q[:0]) == 0


def test_what_replaces_a_rejected_guess_is_what_the_draft_had_too_little_of():
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.7, 0.1])
    torch.testing.assert_close(speculative.residual(p, q), torch.tensor([0.75, 0.0, 0.25]))
    assert torch.equal(speculative.residual(p, p), p)


def test_the_real_random_numbers_give_the_distribution_too():
    """1,500 runs against eight exact probabilities: chi-squared with 7 degrees of freedom."""
    target, draft = small_window(2, seed=0), small_window(2, seed=5)
    random, n_runs = torch.Generator().manual_seed(0), 1_500
    counts = defaultdict[tuple[int, ...], int](int)
    for _ in range(n_runs):
        result = speculative_generate(
            target, draft, torch.tensor([1]), max_new_tokens=3, n_guesses=2, rng=random
        )
        counts[tuple(result.tokens.tolist())] += 1
    expected = plain_distribution(target, [1], 3, SamplingConfig())
    statistic = sum(
        (counts[tokens] - n_runs * p) ** 2 / (n_runs * p) for tokens, p in expected.items()
    )
    assert statistic < 24.3  # its 99.9 % quantile


@pytest.mark.parametrize("n_guesses", [1, 3, 8])
@pytest.mark.parametrize("draft", CAN_GO_BACK)
@pytest.mark.parametrize("target", CAN_GO_BACK)
def test_greedy_decoding_is_the_targets_own(target, draft, n_guesses):
    """For every pair of models, far past the context."""
    target, draft = make(target), make(draft)
    prompt = torch.tensor([3, 1, 4])
    result = speculative_generate(
        target, draft, prompt, max_new_tokens=20, n_guesses=n_guesses, config=GREEDY
    )
    expected = generate(target, prompt, max_new_tokens=20, config=GREEDY)
    assert torch.equal(result.tokens, expected)
    assert result.n_new == 20
    assert result.n_accepted + result.n_rounds == 20


@pytest.mark.parametrize("name", CAN_GO_BACK)
def test_a_draft_that_is_the_target_is_always_right(name):
    model = make(name)
    result = speculative_generate(
        model,
        make(name),
        torch.tensor([1, 2]),
        max_new_tokens=60,
        n_guesses=3,
        rng=torch.Generator().manual_seed(0),
    )
    assert result.n_accepted == result.n_guesses > 0
    assert result.acceptance_rate == 1
    if model.context is None:  # no window that jumps, and so cuts rounds short
        assert result.n_rounds == 15
        assert result.tokens_per_round == 4


class Counter(AutoregressiveModel):
    """After token n comes n + step for certain, modulo ten."""

    config_class = SamplingConfig  # Any dataclass serves; this model has no settings.
    vocab_size = 10

    def __init__(self, step=1):
        super().__init__(SamplingConfig())
        self.scale, self.step = nn.Parameter(torch.tensor(1000.0)), step

    def forward(self, tokens):
        return self.scale * nn.functional.one_hot((tokens + self.step) % 10, 10)


class WrongAfter(Counter):
    """Counts as well, but takes another token for the one after ``place``."""

    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, tokens):
        return super().forward(torch.where(tokens == self.place, tokens + 1, tokens))


def test_a_draft_that_is_always_wrong_costs_only_time():
    result = speculative_generate(
        Counter(), Counter(step=2), torch.tensor([0]), max_new_tokens=12, n_guesses=3
    )
    assert result.tokens.tolist() == [*range(10), 0, 1, 2]
    assert result.n_accepted == 0
    assert result.acceptance_rate == 0
    assert result.n_rounds == 12
    assert result.tokens_per_round == 1


def test_guesses_after_a_wrong_one_are_thrown_away():
    result = speculative_generate(
        Counter(), WrongAfter(2), torch.tensor([0]), max_new_tokens=9, n_guesses=4
    )
    # Rounds: 1, 2 | 3 corrected; 4 to 7 | 8; 9 needs no guess.
    assert result.tokens.tolist() == [*range(10)]
    assert (result.n_rounds, result.n_guesses, result.n_accepted) == (3, 8, 6)
    assert result.acceptance_rate == 6 / 8
    assert result.tokens_per_round == 3


def test_a_stop_token_among_the_guesses_ends_the_sequence():
    for stop, n_guesses in ((2, 4), (3, 2), (4, 1)):
        result = speculative_generate(
            Counter(),
            Counter(),
            torch.tensor([0]),
            max_new_tokens=50,
            n_guesses=n_guesses,
            stop_tokens=[stop],
        )
        assert result.tokens.tolist() == [*range(stop + 1)]
        assert result.n_new == stop


def test_the_target_reads_each_round_in_one_pass():
    target = Counter()
    calls = []
    target.register_forward_hook(lambda *arguments: calls.append(1))
    result = speculative_generate(
        target, Counter(), torch.tensor([0]), max_new_tokens=10, n_guesses=4
    )
    assert len(calls) == result.n_rounds == 2


def test_the_same_seed_gives_the_same_tokens_and_another_one_does_not():
    target, draft = make("transformer"), make("n-gram")
    first, again, other = (
        speculative_generate(
            target,
            draft,
            torch.tensor([1, 2]),
            max_new_tokens=30,
            rng=torch.Generator().manual_seed(seed),
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.tokens, again.tokens)
    assert (first.n_rounds, first.n_accepted) == (again.n_rounds, again.n_accepted)
    assert not torch.equal(first.tokens, other.tokens)


def test_the_draft_may_be_on_another_device():
    target, config = make("transformer"), SamplingConfig(repetition_penalty=1.2, top_k=4)
    found = [
        speculative_generate(
            target,
            make("window").to(device),
            [1, 2],
            max_new_tokens=12,
            config=config,
            rng=torch.Generator().manual_seed(0),
        )
        for device in (torch.device("cpu"), second_device.device())
    ]
    assert torch.equal(found[0].tokens, found[1].tokens)
    assert found[0].n_accepted == found[1].n_accepted


def test_a_run_leaves_the_models_as_they_were():
    target, draft = make("transformer").train(), make("window").train()
    result = speculative_generate(target, draft, torch.tensor([1]), max_new_tokens=5)
    assert target.training
    assert draft.training
    assert not result.tokens.requires_grad


def test_requests_that_cannot_be_met_are_refused():
    target, prompt = make("transformer"), torch.tensor([1])
    with pytest.raises(ValueError, match="the draft knows 10 tokens and the target 7"):
        speculative_generate(target, Counter(), prompt, max_new_tokens=1)
    with pytest.raises(ValueError, match="n_guesses must be at least 1, got 0"):
        speculative_generate(target, target, prompt, max_new_tokens=1, n_guesses=0)
    with pytest.raises(ValueError, match="the prompt is empty"):
        speculative_generate(target, target, prompt[:0], max_new_tokens=1)
    with pytest.raises(ValueError, match="takes at most 6 tokens, got 7"):
        speculative_generate(make("window"), target, prompt.expand(7), max_new_tokens=1)
    with pytest.raises(NotImplementedError, match="Speculative decoding, which takes rejected"):
        speculative_generate(
            make("window"), make("lstm"), prompt, max_new_tokens=50, rng=torch.Generator()
        )
