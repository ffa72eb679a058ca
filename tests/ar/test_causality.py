"""Influence: zero above the diagonal for a causal model, and a leak of any size is found."""

import numpy as np
import pytest
import torch

from aigc_tutorial import ar
from tests.ar.checks import random_tokens, randomize


class Leaky(ar.Transformer):
    """Adds a share of the next token's features to each token's."""

    share = 1e-6

    def _embed(self, tokens, segments=None):
        x = super()._embed(tokens, segments)
        return x + self.share * torch.nn.functional.pad(x[:, 1:], (0, 0, 0, 1))


CONFIG = ar.TransformerConfig(7, context=8, n_layers=1, n_heads=2, width=8, token_shift=0)


def test_a_causal_model_has_nothing_above_the_diagonal():
    for model in (
        ar.Transformer(CONFIG),
        ar.RecurrentModel(ar.RecurrentConfig(7, embedding_dim=4, hidden_dim=8)),
    ):
        found = ar.influence(randomize(model), random_tokens(model, 3, 6))
        assert found.triu(1).max() == 0
        assert (found.tril().diagonal() > 0).all()


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_block_without_gradients_changes_nothing(off):
    model = randomize(ar.Transformer(CONFIG))
    tokens = random_tokens(model, 3, 6)
    expected = ar.influence(model, tokens)
    with off():
        assert torch.equal(ar.influence(model, tokens), expected)


def test_tokens_in_whatever_holds_them():
    model = randomize(ar.Transformer(CONFIG))
    expected = ar.influence(model, torch.tensor([[1, 2, 3]]))
    array = np.array([[1, 2, 3]], dtype=np.uint16)
    for same in ([[1, 2, 3]], array, torch.from_numpy(array)):
        assert torch.equal(ar.influence(model, same), expected)
    with pytest.raises(ValueError, match="tokens must lie in 0 … 6, got 1 … 9"):
        ar.influence(model, [[1, 9]])


def test_a_leak_smaller_than_rounding_is_found():
    model = randomize(Leaky(CONFIG))
    tokens = random_tokens(model, 1, 6)
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 7
    with torch.no_grad():
        difference = (model(tokens) - model(changed))[:, :-1].abs().max()
    assert difference < 1e-4, "changing the tokens hardly shows it"
    assert (ar.influence(model, tokens).diagonal(1) > 0).all()


def test_the_model_is_left_as_it_was():
    model = randomize(ar.Transformer(CONFIG))
    tokens = random_tokens(model, 1, 4)
    for mode in (True, False):
        model.train(mode)
        ar.influence(model, tokens)
        assert model.training is mode
    with torch.no_grad():
        ar.influence(model, tokens)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_counts_cannot_be_differentiated():
    model = ar.NGramModel(ar.NGramConfig(5, order=2))
    with pytest.raises(ValueError, match="nothing to differentiate by"):
        ar.influence(model, random_tokens(model, 1, 4))


def test_nothing_found_in_a_fresh_model_is_no_proof():
    model = Leaky(CONFIG)
    tokens = random_tokens(model, 1, 6)
    with pytest.raises(ValueError, match=r"the logits depend on no token.* random weights"):
        ar.influence(model, tokens)
    assert (ar.influence(randomize(model), tokens).diagonal(1) > 0).all()
