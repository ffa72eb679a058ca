"""Recurrent networks: their formulas written out, their laws, and a state that is carried on."""

import pytest
import torch

from aigc_tutorial.ar.models.recurrent import RecurrentConfig, RecurrentModel
from tests.ar.checks import (
    assert_cached_equals_uncached,
    assert_causal,
    assert_probabilities_sum_to_one,
    assert_rows_can_be_selected,
    assert_uniform_nll,
    random_tokens,
    randomize,
)

CELLS = ["rnn", "gru", "lstm"]


def make(cell, n_layers=1):
    return randomize(
        RecurrentModel(RecurrentConfig(5, cell, embedding_dim=4, hidden_dim=6, n_layers=n_layers))
    )


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_laws_of_every_autoregressive_model(cell, n_layers):
    model = make(cell, n_layers)
    tokens = random_tokens(model, batch=3, time=8)
    assert_causal(model, tokens)
    assert_cached_equals_uncached(model, tokens)
    assert_rows_can_be_selected(model, tokens)
    assert_uniform_nll(model, tokens)


@pytest.mark.parametrize("cell", CELLS)
def test_probabilities_of_all_sequences_sum_to_one(cell):
    assert_probabilities_sum_to_one(make(cell), length=4)


def rnn_step(x, h, W, U, b_ih, b_hh):  # noqa: N803
    return torch.tanh(W @ x + U @ h + (b_ih + b_hh))


def gru_step(x, h, W, U, b_ih, b_hh):  # noqa: N803
    from_x, from_h = (W @ x + b_ih).chunk(3), (U @ h + b_hh).chunk(3)
    reset = torch.sigmoid(from_x[0] + from_h[0])
    update = torch.sigmoid(from_x[1] + from_h[1])
    candidate = torch.tanh(from_x[2] + reset * from_h[2])
    return update * h + (1 - update) * candidate


@torch.no_grad()
@pytest.mark.parametrize(("cell", "step"), [("rnn", rnn_step), ("gru", gru_step)])
def test_states_are_the_formula_step_by_step(cell, step):
    model = make(cell)
    tokens = random_tokens(model, batch=1, time=6)
    logits = model(tokens)
    h = torch.zeros(6)
    for t in range(6):
        h = step(model.embedding.weight[tokens[0, t]], h, *model.rnn.parameters())
        torch.testing.assert_close(logits[0, t], model.output.weight @ h + model.output.bias)


@torch.no_grad()
def test_lstm_is_its_formula_step_by_step():
    model = make("lstm")
    tokens = random_tokens(model, batch=1, time=6)
    logits = model(tokens)
    W, U, b_ih, b_hh = model.rnn.parameters()  # noqa: N806
    h = memory = torch.zeros(6)
    for t in range(6):
        gates = W @ model.embedding.weight[tokens[0, t]] + U @ h + b_ih + b_hh
        enter, keep, new, leave = gates.chunk(4)
        memory = torch.sigmoid(keep) * memory + torch.sigmoid(enter) * torch.tanh(new)
        h = torch.sigmoid(leave) * torch.tanh(memory)
        torch.testing.assert_close(logits[0, t], model.output.weight @ h + model.output.bias)


@torch.no_grad()
@pytest.mark.parametrize("cell", CELLS)
def test_reading_on_leaves_the_earlier_state_as_it_was(cell):
    model = make(cell)
    tokens = random_tokens(model, batch=2, time=6)
    _, state = model.advance(tokens[:, :3], model.initial_state(2))
    first, _ = model.advance(tokens[:, 3:], state)
    again, _ = model.advance(tokens[:, 3:], state)
    assert torch.equal(first, again)


@torch.no_grad()
@pytest.mark.parametrize("cell", CELLS)
def test_the_output_layer_reads_the_features(cell):
    model = make(cell, n_layers=2)
    tokens = random_tokens(model, batch=3, time=8)
    features = model.features(tokens)
    assert features.shape == (3, 8, 6)
    torch.testing.assert_close(model.output(features), model(tokens))


@pytest.mark.parametrize("cell", CELLS)
def test_the_first_token_reaches_the_last_logits(cell):
    # What a window cannot do: no distance is too long for a derivative that is not zero.
    model = make(cell)
    model.double()
    embedded = model.embedding(random_tokens(model, batch=1, time=30)).detach().requires_grad_()
    hidden, _ = model.rnn(embedded, model.initial_state(1))
    (gradient,) = torch.autograd.grad(hidden[:, -1].sum(), embedded)
    assert (gradient.abs().sum(-1) > 0).all()


def test_the_size_of_the_state_does_not_grow():
    model = make("lstm", n_layers=2)
    state = model.initial_state(3)
    for _ in range(4):
        _, state = model.advance(random_tokens(model, batch=3, time=5), state)
        assert [tuple(part.shape) for part in state] == [(2, 3, 6), (2, 3, 6)]


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_is_refused_with_its_reason(cell):
    model = make(cell)
    with pytest.raises(NotImplementedError, match=r"cannot forget .* Speculative decoding"):
        model.truncate(model.initial_state(1), 0)


def test_training_remembers_beyond_a_few_tokens():
    # Each row ends as it began; between the two are six tokens that say nothing.
    torch.manual_seed(0)
    model = RecurrentModel(RecurrentConfig(3, "gru", embedding_dim=8, hidden_dim=16))
    first = torch.arange(2).repeat(8)[:, None]
    tokens = torch.cat([first, torch.full((16, 6), 2), first], dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        model.nll(tokens).mean().backward()
        optimizer.step()
    assert model.nll(tokens)[:, -1].max() < 0.05


@pytest.mark.parametrize("cell", CELLS)
def test_saved_and_loaded_model_is_the_same(cell, tmp_path):
    model = make(cell)
    model.save_pretrained(tmp_path / "model")
    loaded = RecurrentModel.from_pretrained(tmp_path / "model")
    tokens = random_tokens(model, batch=2, time=5)
    assert torch.equal(loaded(tokens), model(tokens))


def test_an_unknown_cell_is_refused():
    config = RecurrentConfig(5)
    # Past the type checker of the tests, which would refuse it first: it is not there at run time.
    object.__setattr__(config, "cell", "elman")
    with pytest.raises(ValueError, match="cell must be one of 'rnn', 'gru', 'lstm', got 'elman'"):
        config.__post_init__()
