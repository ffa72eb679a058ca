"""Going on from a prompt: with and without a cache, in batches, to a stop, as it comes, as text."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aigc_tutorial.ar import AutoregressiveModel, SamplingConfig, generate, stream, stream_text
from aigc_tutorial.ar.generation.stream import _pieces
from aigc_tutorial.tokenizers import ByteTokenizer, CharacterTokenizer
from tests.ar.checks import random_tokens
from tests.ar.small_models import CONTEXT, NAMES, WITH_CONTEXT, V, make

GREEDY = SamplingConfig(temperature=0)
PENALISED = SamplingConfig(temperature=0.8, top_k=5, top_p=0.95, repetition_penalty=1.2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("config", [GREEDY, SamplingConfig(), PENALISED])
@pytest.mark.parametrize("name", NAMES)
def test_the_cache_changes_nothing_at_any_length(name, config):
    """From every prompt up to the full context on, across the context's edge and far beyond."""
    model = make(name)
    for prompt_length in range(1, CONTEXT + 1):
        prompt = random_tokens(model, batch=4, time=prompt_length, seed=prompt_length)
        cached, uncached = (
            generate(
                model,
                prompt,
                max_new_tokens=3 * CONTEXT,
                config=config,
                rng=seeded(),
                use_cache=use_cache,
            )
            for use_cache in (True, False)
        )
        assert torch.equal(cached, uncached)
        assert cached.shape == (4, prompt_length + 3 * CONTEXT)
        assert torch.equal(cached[:, :prompt_length], prompt)


@pytest.mark.parametrize("config", [GREEDY, PENALISED])
@pytest.mark.parametrize("name", NAMES)
def test_the_engine_gives_the_tokens_of_the_naive_loop(name, config):
    """Exactly, with the same random numbers, far beyond the context."""
    model = make(name)
    prompt = random_tokens(model, batch=2, time=2)
    engine, naive = (
        way(prompt, max_new_tokens=3 * CONTEXT, config=config, rng=seeded(3))
        for way in (model.generate, model.generate_naively)
    )
    assert torch.equal(engine, naive)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_rows(name):
    model = make(name)
    prompt = random_tokens(model, batch=5, time=3)
    batch = generate(model, prompt, max_new_tokens=2 * CONTEXT, config=GREEDY)
    for row, expected in zip(prompt, batch, strict=True):
        single = generate(model, row, max_new_tokens=2 * CONTEXT, config=GREEDY)
        assert torch.equal(single, expected)
        assert torch.equal(
            generate(model, row[None], max_new_tokens=2 * CONTEXT, config=GREEDY), expected[None]
        )


@pytest.mark.parametrize("name", NAMES)
def test_seeds_reproduce(name):
    model = make(name)
    prompt = random_tokens(model, batch=4, time=2)
    first, again, other = (
        generate(model, prompt, max_new_tokens=20, rng=seeded(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(7)
    unseeded = generate(model, prompt, max_new_tokens=20)
    torch.manual_seed(7)
    assert torch.equal(unseeded, generate(model, prompt, max_new_tokens=20))


@pytest.mark.parametrize("name", NAMES)
def test_the_method_and_the_stream_are_the_function(name):
    model = make(name)
    prompt = random_tokens(model, batch=2, time=3)
    options: Any = {"max_new_tokens": 9, "config": PENALISED}
    expected = generate(model, prompt, **options, rng=seeded())
    assert torch.equal(model.generate(prompt, **options, rng=seeded()), expected)
    steps = list(stream(model, prompt, **options, rng=seeded()))
    assert torch.equal(torch.stack(steps, dim=1), expected[:, 3:])
    single = list(stream(model, prompt[0], **options, rng=seeded()))
    assert [step.shape for step in single] == [()] * 9


class Counter(AutoregressiveModel):
    """After token n comes n + 1 for certain, and after the last one the first."""

    config_class = SamplingConfig  # Any dataclass serves; this model has no settings.
    vocab_size = 10

    def __init__(self):
        super().__init__(SamplingConfig())
        self.scale = nn.Parameter(torch.tensor(100.0))
        self.n_calls = 0

    def forward(self, tokens):
        self.n_calls += 1
        return self.scale * nn.functional.one_hot((tokens + 1) % 10, 10)


def test_a_sequence_ends_with_its_stop_token():
    tokens = generate(Counter(), torch.tensor([4]), max_new_tokens=50, stop_tokens=[1, 8])
    assert tokens.tolist() == [4, 5, 6, 7, 8]


def test_a_stop_token_in_the_prompt_stops_nothing():
    tokens = generate(Counter(), torch.tensor([7, 8]), max_new_tokens=3, stop_tokens=[8])
    assert tokens.tolist() == [7, 8, 9, 0, 1]


def test_rows_that_have_stopped_repeat_their_stop_token_until_all_have():
    prompt = torch.tensor([[4], [7], [0]])
    tokens = generate(Counter(), prompt, max_new_tokens=50, stop_tokens=[6, 9])
    assert tokens.tolist() == [
        [4, 5, 6, 6, 6, 6, 6],
        [7, 8, 9, 9, 9, 9, 9],
        [0, 1, 2, 3, 4, 5, 6],
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_cuts_what_would_have_come(name):
    model = make(name)
    prompt = random_tokens(model, batch=6, time=2)
    whole = generate(model, prompt, max_new_tokens=30, rng=seeded())
    stopped = generate(model, prompt, max_new_tokens=30, stop_tokens=[0, 3], rng=seeded())
    for row, cut in zip(whole[:, 2:].tolist(), stopped[:, 2:].tolist(), strict=True):
        end = next((i for i, token in enumerate(row) if token in (0, 3)), len(row) - 1)
        assert cut[: end + 1] == row[: end + 1]
        assert set(cut[end:]) == {row[end]}


def test_tokens_come_one_by_one_and_only_when_asked_for():
    model = Counter()
    steps = stream(model, torch.tensor([4]), max_new_tokens=10**6)
    assert model.n_calls == 0
    assert [int(token) for token in itertools.islice(steps, 3)] == [5, 6, 7]
    assert model.n_calls == 3


def test_while_it_streams_the_model_evaluates_and_then_trains_again():
    model = make("lstm").train()
    modes = []
    for stop_early in (True, False):
        steps = stream(model, torch.tensor([1]), max_new_tokens=3)
        next(steps)
        modes.append(model.training)
        assert torch.is_grad_enabled()
        if stop_early:
            steps.close()
        else:
            assert len(list(steps)) == 2
        modes.append(model.training)
    assert modes == [False, True, False, True]


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_is_kept(name):
    model = make(name)
    model.requires_grad_(True)
    tokens = model.generate(torch.tensor([[1, 2]]), max_new_tokens=4)
    assert tokens.dtype == torch.int64
    assert not tokens.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_generated_is_refused_at_once(name):
    model, prompt = make(name), torch.zeros(2, 3, dtype=torch.int64)
    for shape in ((0,), (2, 0)):
        with pytest.raises(ValueError, match=r"the prompt is empty.*tokenizer.bos_id"):
            stream(model, torch.zeros(shape, dtype=torch.int64), max_new_tokens=1)
    with pytest.raises(ValueError, match=r"0 … 6, got 0 … 7; was the text encoded with another"):
        stream(model, torch.tensor([0, V]), max_new_tokens=1)
    with pytest.raises(ValueError, match="max_new_tokens must be at least 1, got 0"):
        stream(model, prompt, max_new_tokens=0)
    with pytest.raises(ValueError, match=r"stop_tokens must lie in 0 … 6, got \[7\]"):
        stream(model, prompt, max_new_tokens=1, stop_tokens=[0, V])


@pytest.mark.parametrize("name", WITH_CONTEXT)
def test_a_prompt_longer_than_the_context_is_refused_with_the_remedy(name):
    prompt = torch.zeros(CONTEXT + 1, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"at most 6 tokens, got 7; .*tokens\[:, -6:\]"):
        make(name).generate(prompt, max_new_tokens=1)


def test_without_a_context_a_prompt_may_be_as_long_as_it_likes():
    for name in set(NAMES) - set(WITH_CONTEXT):
        model = make(name)
        prompt = random_tokens(model, batch=1, time=100)
        assert model.generate(prompt, max_new_tokens=2).shape == (1, 102)


def test_a_model_that_diverged_says_so():
    model = Counter()
    model.scale.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="its training has diverged"):
        model.generate(torch.tensor([1]), max_new_tokens=2)


class Script(AutoregressiveModel):
    """Says the given tokens, whatever it reads."""

    config_class = SamplingConfig
    vocab_size = 259

    def __init__(self, tokens, n_given):
        super().__init__(SamplingConfig())
        self.anchor = nn.Parameter(torch.zeros(()))
        self.tokens, self.n_given = torch.as_tensor(tokens), n_given

    def forward(self, tokens):
        says = self.tokens[torch.arange(tokens.shape[1]).sub(self.n_given - 1).clamp(min=0)]
        return 100.0 * nn.functional.one_hot(says, self.vocab_size).expand(len(tokens), -1, -1)


def spoken(tokenizer, said, prompt="x", **options):
    """Pieces in which a model's tokens come out as text."""
    n_given = len(tokenizer.encode(prompt)) + (tokenizer.bos_id is not None)
    model = Script(said, n_given)
    return list(stream_text(model, tokenizer, prompt, max_new_tokens=len(said), **options))


def test_characters_are_held_back_until_they_are_complete():
    tokenizer = ByteTokenizer()
    text = "a\u00e9中\U0001f600!"
    pieces = spoken(tokenizer, tokenizer.encode(text))
    assert pieces == ["a", "\u00e9", "中", "\U0001f600", "!"]


def test_what_stays_incomplete_is_shown_at_the_end():
    assert spoken(ByteTokenizer(), [97, 0xE4, 0xB8]) == ["a", "\ufffd"]


def test_broken_bytes_do_not_stop_the_stream():
    assert spoken(ByteTokenizer(), [0xFF, 0xE4, 98, 0x80, 99]) == ["\ufffd", "\ufffdb", "\ufffdc"]


def test_a_text_ends_at_the_token_for_the_end():
    tokenizer = ByteTokenizer(("bos", "eos"))
    said = [104, 105, tokenizer.eos_id, 33]
    assert spoken(tokenizer, said) == ["h", "i"]
    assert spoken(tokenizer, [104, 105, 33], stop_tokens=[105]) == ["h", "i"]


def test_with_a_token_for_the_beginning_an_empty_text_is_a_prompt():
    assert spoken(ByteTokenizer(("bos",)), [104, 105], prompt="") == ["h", "i"]
    with pytest.raises(ValueError, match="the prompt is empty"):
        spoken(ByteTokenizer(), [104, 105], prompt="")


def test_text_goes_in_and_text_comes_out():
    tokenizer = CharacterTokenizer("0123456789")
    pieces = stream_text(Counter(), tokenizer, "678", max_new_tokens=4)
    assert list(pieces) == ["9", "0", "1", "2"]


def test_a_text_is_drawn_with_the_settings_and_the_random_numbers_that_are_given():
    class Undecided(Counter):
        def forward(self, tokens):
            return super().forward(tokens).clamp(max=1)

    def write(seed, temperature):
        config = SamplingConfig(temperature=temperature)
        return "".join(
            stream_text(
                Undecided(),
                CharacterTokenizer("0123456789"),
                "678",
                max_new_tokens=20,
                config=config,
                rng=seeded(seed),
            )
        )

    assert write(0, 1.0) == write(0, 1.0) != write(1, 1.0)
    assert write(0, 0.0) == "90123456789012345678"


def test_a_prompt_that_the_tokenizer_cannot_write_is_refused():
    with pytest.raises(ValueError, match=r"'x' .* is not among the 10 characters"):
        stream_text(Counter(), CharacterTokenizer("0123456789"), "1x", max_new_tokens=1)


def test_a_tokenizer_of_more_tokens_than_the_model_has_is_another_models():
    """A prompt of few bytes would be taken, and what comes out be read as control characters."""
    with pytest.raises(ValueError, match="tokenizer has 256 tokens and the model 10; take the one"):
        stream_text(Counter(), ByteTokenizer(), "\t", max_new_tokens=1)


TOKENIZERS = [
    ByteTokenizer(("bos", "eos")),
    CharacterTokenizer("ab\u00e9", ("eos",), unknown=True),
]


@settings(max_examples=300)
@given(st.data(), st.sampled_from(TOKENIZERS))
def test_pieces_join_to_the_whole_whatever_the_tokens(data, tokenizer):
    """Whole characters, halves of some, bytes that make none, replacement characters, specials."""
    chunk = st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=3)
    if isinstance(tokenizer, ByteTokenizer):
        chunk |= st.text(max_size=3).map(lambda text: list(text.encode()))
        chunk |= st.sampled_from([[0xEF, 0xBF, 0xBD], [0xE4, 0xB8], [0xF0, 0x9F, 0x98]])
    chunks = data.draw(st.lists(chunk, max_size=6))
    tokens = torch.tensor([*itertools.chain(*chunks)], dtype=torch.int64)
    pieces = list(_pieces(tokenizer, iter(tokens)))
    assert "".join(pieces) == tokenizer.decode(tokens)
    assert "" not in pieces
