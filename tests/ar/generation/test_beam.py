"""Beam search against all sequences there are, and against greedy decoding."""

import pytest
import torch
from torch import nn

from aigc_tutorial.ar import (
    AutoregressiveModel,
    RecurrentConfig,
    RecurrentModel,
    SamplingConfig,
    beam_search,
    generate,
)
from tests.ar.checks import random_tokens, randomize
from tests.ar.small_models import CONTEXT, NAMES, V, make


class TableModel(AutoregressiveModel):
    """Three tokens; p(x | the last two tokens) is a table of the given probabilities."""

    config_class = SamplingConfig  # Any dataclass serves; this model has no settings.
    vocab_size = 3

    def __init__(self, table):
        super().__init__(SamplingConfig())
        self.table = nn.Parameter(torch.as_tensor(table).log())

    def forward(self, tokens):
        before = nn.functional.pad(tokens, (1, 0))[:, :-1]
        return self.table[before, tokens]


def random_table(seed, scale=1.5):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(3, 3, 3, generator=generator)).softmax(-1)


def continuations(model, prompt, n_new, stop_tokens=()):
    """Every complete continuation and its log-probability, by enumeration."""
    complete: dict[tuple[int, ...], float] = {}
    growing: dict[tuple[int, ...], float] = {(): 0.0}
    for n in range(1, n_new + 1):
        extended: dict[tuple[int, ...], float] = {}
        for tokens, log_p in growing.items():
            context = torch.tensor([[*prompt, *tokens]])
            steps = model(context)[0, -1].double().log_softmax(0).tolist()
            for token, step in enumerate(steps):
                whole = (*tokens, token)
                ends = token in stop_tokens or n == n_new
                (complete if ends else extended)[whole] = log_p + step
        growing = extended
    return complete


@torch.no_grad()
@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0, -0.5])
@pytest.mark.parametrize("stop_tokens", [(), (2,), (0, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_with_room_for_all_it_finds_all_in_their_order(seed, stop_tokens, length_penalty):
    model, n_new = TableModel(random_table(seed)), 5
    everything = continuations(model, [1], n_new, stop_tokens)
    found = beam_search(
        model,
        torch.tensor([1]),
        max_new_tokens=n_new,
        n_beams=3**n_new,
        stop_tokens=stop_tokens,
        length_penalty=length_penalty,
    )
    scores = {t: log_p / len(t) ** length_penalty for t, log_p in everything.items()}
    assert {tuple(beam.tokens[1:].tolist()) for beam in found} == set(everything)
    assert [beam.score for beam in found] == pytest.approx(
        sorted(scores.values(), reverse=True), abs=1e-4
    )
    for beam in found:
        assert beam.tokens[0] == 1
        tokens = tuple(beam.tokens[1:].tolist())
        assert beam.log_probability == pytest.approx(everything[tokens], abs=1e-4)
        assert beam.score == pytest.approx(scores[tokens], abs=1e-4)
    total = sum(torch.tensor(beam.log_probability).exp().item() for beam in found)
    assert total == pytest.approx(1, abs=1e-4)


def test_more_beams_find_what_greed_misses():
    """Token 0 looks best at first, but only token 1 leads on to a certain end."""
    table = torch.full((3, 3, 3), 1 / 3)
    table[0, 2] = torch.tensor([0.5, 0.4, 0.1])
    table[2, 1] = torch.tensor([0.02, 0.02, 0.96])
    model, prompt = TableModel(table), torch.tensor([2])
    greedy, wide = (
        beam_search(model, prompt, max_new_tokens=2, n_beams=n_beams)[0] for n_beams in (1, 2)
    )
    assert greedy.tokens.tolist()[:2] == [2, 0]
    assert wide.tokens.tolist() == [2, 1, 2]
    assert wide.log_probability > greedy.log_probability


@pytest.mark.parametrize("stop_tokens", [(), (2,), (1, 5)])
@pytest.mark.parametrize("name", NAMES)
def test_one_beam_is_greedy_decoding(name, stop_tokens):
    model = make(name)
    for prompt in random_tokens(model, batch=4, time=3):
        (beam,) = beam_search(
            model, prompt, max_new_tokens=2 * CONTEXT, n_beams=1, stop_tokens=stop_tokens
        )
        greedy = generate(
            model,
            prompt,
            max_new_tokens=2 * CONTEXT,
            config=SamplingConfig(temperature=0),
            stop_tokens=stop_tokens,
        )
        assert torch.equal(beam.tokens, greedy)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_searched_like_the_list_of_all_sequences(name):
    model, n_new = make(name), 3
    found = beam_search(
        model, torch.tensor([2, 4]), max_new_tokens=n_new, n_beams=V**n_new, stop_tokens=[3]
    )
    everything = continuations(model, [2, 4], n_new, [3])
    assert len(found) == len(everything)
    for beam in found:
        expected = everything[tuple(beam.tokens[2:].tolist())]
        assert beam.log_probability == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_log_probability_is_the_models_own(name):
    """As long as the context holds everything; beams have been chosen and reordered meanwhile."""
    model, prompt = make(name), torch.tensor([1, 2])
    for beam in beam_search(model, prompt, max_new_tokens=CONTEXT - 2, n_beams=5):
        nll = model.nll(beam.tokens[None])[0, 1:].sum().item()
        assert beam.log_probability == pytest.approx(-nll, abs=1e-3)


def plain_beam_search(model, prompt, n_new, n_beams, stop_tokens, length_penalty):
    """The same search in lists, without a state and without stopping before the end."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    complete = []
    for n in range(1, n_new + 1):
        candidates = []
        for tokens, log_p in live:
            logits = model(torch.tensor([[*prompt, *tokens]]))[0, -1]
            steps = logits.double().log_softmax(0).tolist()
            candidates += [((*tokens, t), log_p + step) for t, step in enumerate(steps)]
        candidates.sort(key=lambda candidate: -candidate[1])
        ends = [t[-1] in stop_tokens or n == n_new for t, _ in candidates]
        complete += [c for c, end in zip(candidates[:n_beams], ends, strict=False) if end]
        live = [c for c, end in zip(candidates, ends, strict=True) if not end][:n_beams]
    scored = [(log_p / len(t) ** length_penalty, t) for t, log_p in complete]
    return sorted(scored, reverse=True)[:n_beams]


@torch.no_grad()
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -0.5])
@pytest.mark.parametrize("stop_tokens", [(), (0,), (0, 2)])
@pytest.mark.parametrize("n_beams", [1, 2, 3, 5])
def test_the_state_and_stopping_early_change_nothing(n_beams, stop_tokens, length_penalty):
    for seed in range(5):
        # Not a table: there, two orders of the same steps can have equal probability.
        model = randomize(RecurrentModel(RecurrentConfig(3, "gru", 4, 6)), seed=seed, scale=1.0)
        found = beam_search(
            model,
            torch.tensor([1]),
            max_new_tokens=8,
            n_beams=n_beams,
            stop_tokens=stop_tokens,
            length_penalty=length_penalty,
        )
        expected = plain_beam_search(model, [1], 8, n_beams, stop_tokens, length_penalty)
        assert [tuple(beam.tokens[1:].tolist()) for beam in found] == [t for _, t in expected]
        assert [b.score for b in found] == pytest.approx([score for score, _ in expected], abs=1e-4)


def test_the_search_ends_as_soon_as_nothing_better_can_come():
    """After a nearly certain stop all that goes on is less probable than it."""
    table = torch.tensor([0.98, 0.01, 0.01]).expand(3, 3, 3)
    model = TableModel(table)
    lengths = []
    model.register_forward_hook(lambda module, inputs, output: lengths.append(inputs[0].shape[1]))
    (beam,) = beam_search(model, torch.tensor([1]), max_new_tokens=100, n_beams=1, stop_tokens=[0])
    assert beam.tokens.tolist() == [1, 0]
    assert lengths == [1]


def test_a_mean_over_tokens_favours_longer_sequences():
    table = torch.full((3, 3, 3), 1 / 3)
    table[:, 1] = torch.tensor([0.4, 0.05, 0.55])
    table[:, 2] = torch.tensor([0.05, 0.05, 0.9])
    model = TableModel(table)
    short, long = (
        beam_search(
            model,
            torch.tensor([1]),
            max_new_tokens=6,
            n_beams=8,
            stop_tokens=[0],
            length_penalty=length_penalty,
        )[0]
        for length_penalty in (0.0, 1.0)
    )
    assert short.tokens.tolist() == [1, 0]
    assert long.tokens.tolist() == [1, *[2] * 6]
    assert short.log_probability > long.log_probability
    assert long.score == pytest.approx(long.log_probability / 6)


def test_the_impossible_is_never_returned():
    table = torch.tensor([0.0, 0.5, 0.5]).expand(3, 3, 3)
    found = beam_search(TableModel(table), torch.tensor([1]), max_new_tokens=3, n_beams=50)
    assert len(found) == 2**3
    assert all(0 not in beam.tokens.tolist() for beam in found)


def test_a_search_leaves_the_model_as_it_was():
    model = make("lstm").train()
    beams = beam_search(model, torch.tensor([1]), max_new_tokens=2, n_beams=2)
    assert model.training
    assert not any(beam.tokens.requires_grad for beam in beams)


def test_what_was_found_can_be_compared():
    found, again = (
        beam_search(make("window"), torch.tensor([1]), max_new_tokens=2, n_beams=2) for _ in "ab"
    )
    assert found == found
    assert found != again


def test_requests_that_cannot_be_met_are_refused():
    model, prompt = make("transformer"), torch.tensor([1])
    with pytest.raises(ValueError, match="n_beams must be at least 1, got 0"):
        beam_search(model, prompt, max_new_tokens=1, n_beams=0)
    with pytest.raises(ValueError, match="the prompt is empty"):
        beam_search(model, prompt[:0], max_new_tokens=1, n_beams=1)
    with pytest.raises(ValueError, match="takes at most 6 tokens, got 7"):
        beam_search(model, prompt.expand(7), max_new_tokens=1, n_beams=1)
    with pytest.raises(ValueError, match="was the text encoded with another tokenizer"):
        beam_search(model, prompt + V, max_new_tokens=1, n_beams=1)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="its training has diverged"):
        beam_search(model, prompt, max_new_tokens=1, n_beams=1)
