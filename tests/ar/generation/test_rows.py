"""Sequences that share a batch are those that each would be alone."""

import itertools

import pytest
import torch

from aigc_tutorial import zoo
from aigc_tutorial.ar import GPT2, GPT2Config, SamplingConfig, Transformer
from aigc_tutorial.ar.generation.reader import Reader
from aigc_tutorial.ar.generation.rows import NO_TOKEN, RowReader, sample_rows
from aigc_tutorial.ar.generation.sampling import sample
from aigc_tutorial.ar.generation.stream import stream
from aigc_tutorial.ar.interface import SequenceModel
from aigc_tutorial.ar.models.transformer import TransformerRows
from tests.ar.checks import random_tokens, randomize
from tests.ar.small_models import CONTEXT, NAMES, V, make


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_rows_that_come_and_go_read_what_they_would_alone(name):
    """Six sequences in three rows, each of which begins when another has ended."""
    model = make(name)
    reader, waiting = RowReader(model, 3), list(range(6))
    texts = random_tokens(model, batch=6, time=3 * CONTEXT)
    lengths = [2 * CONTEXT, CONTEXT + 1, 3, 3 * CONTEXT, 1, CONTEXT]
    inside: dict[int, tuple[int, int, Reader]] = {}
    while waiting or inside:
        while waiting and reader.free:
            text, row = waiting.pop(0), reader.free[0]
            n = min(CONTEXT, 1 + text)
            alone = Reader(model, use_cache=False)
            logits = reader.begin(row, texts[text, :n])
            torch.testing.assert_close(logits, alone.read(texts[text : text + 1, :n])[0, -1])
            inside[row] = (text, n, alone)
        for row, (text, n, _) in list(inside.items()):
            if n >= lengths[text]:
                reader.end(row)
                del inside[row]
        new = {row: int(texts[text, n]) for row, (text, n, _) in inside.items()}
        logits = reader.read(new)
        for i, (row, (text, n, alone)) in enumerate(list(inside.items())):
            expected = alone.read(texts[text : text + 1, : n + 1])[0, -1]
            torch.testing.assert_close(logits[i], expected, rtol=1e-4, atol=1e-5)
            inside[row] = (text, n + 1, alone)


@torch.no_grad()
@pytest.mark.parametrize("name", ["transformer", "transformer, tied, shifted", "gpt-2", "gru"])
def test_the_fast_ways_are_the_slow_one(name):
    """What ``SequenceModel`` does for any model is a loop over rows."""
    model = make(name)
    slow, fast = SequenceModel.initial_rows(model, 5), model.initial_rows(5)
    assert isinstance(slow, list)
    texts = random_tokens(model, batch=3, time=4)
    for row, text in zip((0, 2, 4), texts, strict=True):
        for rows in (slow, fast):
            _, state = model.advance(text[None, : 1 + row // 2], model.initial_state(1))
            model.set_row(rows, row, state)
    for n_rows in (5, 3, 1):
        tokens = torch.arange(n_rows) + 1
        read = [model.advance_rows(tokens, rows)[::2] for rows in (slow, fast)]
        torch.testing.assert_close(*read, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["english-bytes", "shakespeare-characters"])
def test_the_bits_of_a_text_do_not_depend_on_who_shares_the_batch(name):
    """Alone in the first row, and among fifteen others in another one, past the context's edge."""
    model = zoo.load(name)
    texts = random_tokens(model, batch=16, time=150)

    def logits_of(company: list[int], begins: dict[int, int]) -> list[torch.Tensor]:
        reader, found = RowReader(model, 16), []
        row_of = {text: row for row, text in enumerate(company)}
        for text in company:
            first = reader.begin(row_of[text], texts[text, : begins[text]])
            if text == 5:
                found.append(first)
        for step in range(100):
            new = {row_of[t]: int(texts[t, begins[t] + step]) for t in company}
            logits = reader.read(new)
            found.append(logits[company.index(5)])
        return found

    begins = {text: 1 + 3 * text for text in range(16)} | {5: 40}
    alone = logits_of([5], begins)
    among = logits_of([*range(8, 16), 5, *range(5), 6, 7], begins)
    assert all(torch.equal(a, b) for a, b in zip(alone, among, strict=True))


@pytest.mark.parametrize("model_class", [Transformer, GPT2])
def test_one_method_makes_room_for_the_rows_of_all_models(model_class):
    assert model_class.advance_rows is SequenceModel.advance_rows
    assert model_class.set_row is SequenceModel.set_row


def test_a_model_with_a_changed_layer_is_called_as_it_is():
    model = make("transformer")
    assert isinstance(model.initial_rows(3), TransformerRows)
    layer = model.get_submodule("blocks.0.up")
    doubled = layer.register_forward_hook(lambda _module, _input, output: 2 * output)
    assert not isinstance(model.initial_rows(3), TransformerRows)
    reader, alone = RowReader(model, 3), Reader(model)
    tokens = random_tokens(model, batch=1, time=3)
    torch.testing.assert_close(reader.begin(1, tokens[0]), alone.read(tokens)[0, -1])
    longer = torch.cat([tokens, tokens[:, :1]], dim=1)
    read = reader.read({1: int(tokens[0, 0])})[0]
    torch.testing.assert_close(read, alone.read(longer)[0, -1])
    doubled.remove()


class ShiftedTransformer(Transformer):
    def attention_mask(self, n_queries, n_keys, segments=None):
        return torch.ones(n_queries, n_keys, dtype=torch.bool).tril(n_keys - n_queries).triu(-1)


def test_a_subclass_is_called_as_it_is():
    model = make("transformer")
    own = ShiftedTransformer(model.config)
    own.load_state_dict(model.state_dict())
    assert not isinstance(own.initial_rows(3), TransformerRows)


def test_gpt2_with_a_wide_vocabulary_reads_rows_like_its_forward():
    model = randomize(GPT2(GPT2Config(131, 16, n_layers=3, n_heads=4, width=32, mlp_width=48)))
    tokens = random_tokens(model, batch=1, time=16)
    reader = RowReader(model, 6)
    reader.begin(5, tokens[0, :2])
    with torch.no_grad():
        expected = model(tokens)[0]
    for length in range(3, 17):
        logits = reader.read({5: int(tokens[0, length - 1])})[0]
        torch.testing.assert_close(logits, expected[length - 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("temperature", "top_p"), itertools.product([0, 0.3, 1.0, 1.7], [0.2, 0.9, 1.0])
)
def test_a_row_draws_the_token_that_it_would_alone(temperature, top_p):
    """Whatever the settings of the rows beside it, and whatever is drawn for them."""
    logits = torch.randn(9, 65, generator=torch.Generator().manual_seed(0))
    others = [0, 0.5, 1, 2, 0.1, 1, 0, 3]
    temperatures = [*others[:4], temperature, *others[4:]]
    top_ps = [1, 0.5, 1, 0.1, top_p, 0.7, 1, 1, 0.3]
    for seed in range(40):
        rngs = [torch.Generator().manual_seed(seed + 100 * row) for row in range(9)]
        drawn = sample_rows(logits, temperatures, top_ps, rngs)
        rng = torch.Generator().manual_seed(seed + 400)
        config = SamplingConfig(temperature=temperature, top_p=top_p)
        assert drawn[4] == sample(logits[4], config, rng=rng)
        assert torch.equal(rngs[4].get_state(), rng.get_state())


@pytest.mark.parametrize("temperature", [0, 1.0])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_row_that_is_no_distribution_draws_nothing_and_the_others_do(temperature, wrong):
    logits = torch.zeros(3, V)
    logits[1, 2] = wrong
    logits[0, 4] = logits[2, 6] = 100.0
    rngs = [torch.Generator().manual_seed(0) for _ in range(3)]
    assert sample_rows(logits, [temperature] * 3, [1.0] * 3, rngs) == [4, NO_TOKEN, 6]
    logits[1] = -torch.inf
    assert sample_rows(logits, [temperature] * 3, [1.0] * 3, rngs) == [4, NO_TOKEN, 6]


def test_rows_write_the_text_that_stream_writes():
    model = zoo.load("shakespeare-characters")
    prompt = zoo.tokenizer("shakespeare-characters").encode("ROMEO:")
    reader, rng = RowReader(model, 2), torch.Generator().manual_seed(3)
    logits, written = reader.begin(1, prompt)[None], []
    for _ in range(60):
        (token,) = sample_rows(logits, [0.8], [0.9], [rng])
        written.append(token)
        logits = reader.read({1: token})
    config = SamplingConfig(temperature=0.8, top_p=0.9)
    rng = torch.Generator().manual_seed(3)
    expected = [int(t) for t in stream(model, prompt, max_new_tokens=60, config=config, rng=rng)]
    assert written == expected


def test_what_does_not_fit_is_told():
    model = make("transformer")
    reader = RowReader(model, 2)
    with pytest.raises(ValueError, match="the prompt is empty"):
        reader.begin(0, [])
    assert reader.free == [0, 1]
    reader.begin(0, [1])
    with pytest.raises(ValueError, match=r"row 0 is not free; free are \[1\]"):
        reader.begin(0, [1])
    with pytest.raises(ValueError, match=r"begun in the rows \[0\] .* got tokens of \[1\]"):
        reader.read({1: 2})
    reader.end(0)
    assert reader.read({}).shape == (0, V)
    with pytest.raises(ValueError, match="temperature must be a finite number"):
        sample_rows(torch.zeros(1, V), [-1.0], [1.0], [torch.Generator()])
    with pytest.raises(ValueError, match="n_rows must be at least 1"):
        RowReader(model, 0)
