"""The windowed network: its formula, its laws, and what happens when it looks ahead."""

import pytest
import torch
from torch.nn.functional import pad

from aigc_tutorial.ar.models.window import WindowConfig, WindowModel
from tests.ar.checks import (
    assert_cached_equals_uncached,
    assert_causal,
    assert_probabilities_sum_to_one,
    assert_rows_can_be_selected,
    assert_state_can_be_truncated,
    assert_uniform_nll,
    random_tokens,
    randomize,
)

CONFIG = WindowConfig(vocab_size=5, window=3, embedding_dim=4, hidden_dim=6)


@pytest.fixture
def model():
    return randomize(WindowModel(CONFIG))


@pytest.mark.parametrize("window", [1, 2, 3, 12])
def test_laws_of_every_autoregressive_model(window):
    model = randomize(WindowModel(WindowConfig(5, window, embedding_dim=4, hidden_dim=6)))
    tokens = random_tokens(model, batch=2, time=9)
    assert_causal(model, tokens)
    assert_cached_equals_uncached(model, tokens)
    assert_rows_can_be_selected(model, tokens)
    assert_state_can_be_truncated(model, tokens)
    assert_uniform_nll(model, tokens)


def test_probabilities_of_all_sequences_sum_to_one(model):
    assert_probabilities_sum_to_one(model, length=4)


@torch.no_grad()
def test_logits_are_the_formula_position_by_position(model):
    tokens = random_tokens(model, batch=1, time=6)
    C, b = model.hidden.weight, model.hidden.bias  # noqa: N806
    A, c = model.output.weight, model.output.bias  # noqa: N806
    before = torch.zeros(CONFIG.embedding_dim)
    for t in range(6):
        seen = [
            model.embedding.weight[tokens[0, i]] if i >= 0 else before for i in range(t - 2, t + 1)
        ]
        expected = A @ torch.tanh(C @ torch.cat(seen) + b) + c
        torch.testing.assert_close(model(tokens)[0, t], expected)


@torch.no_grad()
def test_nothing_beyond_the_window_is_seen(model):
    tokens = random_tokens(model, batch=1, time=8)
    older = tokens.clone()
    older[:, :3] = (older[:, :3] + 1) % 5
    torch.testing.assert_close(model(older)[:, 5:], model(tokens)[:, 5:])
    assert not torch.allclose(model(older)[:, 4], model(tokens)[:, 4])


@torch.no_grad()
def test_a_step_computes_no_more_than_the_window(model, monkeypatch):
    tokens = random_tokens(model, batch=1, time=20)
    _, state = model.advance(tokens, model.initial_state(1))
    lengths = []
    model.register_forward_hook(lambda module, inputs, output: lengths.append(inputs[0].shape[1]))
    model.advance(tokens[:, :1], state)
    assert lengths == [CONFIG.window]


class LooksAhead(WindowModel):
    """A window that is one token too far to the right: the mistake that a mask prevents."""

    def forward(self, tokens):
        return super().forward(pad(tokens, (0, 1)))[:, 1:]


def test_a_model_that_looks_ahead_is_caught():
    cheat = randomize(LooksAhead(CONFIG))
    tokens = random_tokens(cheat, batch=2, time=6)
    with pytest.raises(AssertionError, match="see a later token"):
        assert_causal(cheat, tokens)
    with pytest.raises(AssertionError, match="differ"):
        assert_cached_equals_uncached(cheat, tokens)


class LeaksALittle(WindowModel):
    """Adds so little of the mean over all positions that rounding hides it."""

    def forward(self, tokens):
        mean = self.embedding(tokens).mean(dim=(1, 2), keepdim=True)
        return super().forward(tokens) + 1e-9 * mean


def test_a_leak_smaller_than_rounding_is_caught_by_its_gradient():
    cheat = randomize(LeaksALittle(CONFIG))
    with pytest.raises(AssertionError, match="logits at 0 have derivatives by the later tokens"):
        assert_causal(cheat, random_tokens(cheat, batch=2, time=6))


class LooksAtNothing(WindowModel):
    def forward(self, tokens):
        return super().forward(torch.zeros_like(tokens))


def test_a_model_that_looks_at_nothing_is_not_taken_for_a_causal_one():
    blind = randomize(LooksAtNothing(CONFIG))
    with pytest.raises(AssertionError, match="looks at no token"):
        assert_causal(blind, random_tokens(blind, batch=2, time=6))


def test_training_learns_what_the_window_holds(model):
    tokens = torch.arange(40).remainder(5).expand(4, -1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        model.nll(tokens).mean().backward()
        optimizer.step()
    assert model.nll(tokens).mean() < 0.05


def test_saved_and_loaded_model_is_the_same(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    loaded = WindowModel.from_pretrained(tmp_path / "model")
    tokens = random_tokens(model, batch=2, time=5)
    assert torch.equal(loaded(tokens), model(tokens))


def test_impossible_windows_and_tokens_are_refused(model):
    with pytest.raises(ValueError, match="window must be at least 1"):
        WindowConfig(5, window=0)
    with pytest.raises(ValueError, match="tokens must lie in 0 … 4"):
        model.nll(torch.tensor([[0, 5]]))
