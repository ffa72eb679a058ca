"""A WaveNet's reach, what its first token does, and a single layer computed by hand."""

import pytest
import torch

from aigc_tutorial import ar
from tests.ar.checks import random_tokens, randomize


def model(n_layers=3):
    return randomize(ar.WaveNet(ar.WaveNetConfig(7, width=4, n_layers=n_layers)))


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_a_prediction_sees_its_reach_and_the_first_token(n_layers):
    network = model(n_layers)
    reach = network.config.reach
    assert reach == 2**n_layers
    influence = ar.influence(network, random_tokens(network, 4, reach + 4))
    last = influence[-1]
    seen = (last > 0).tolist()
    assert seen == [True] + [False] * 3 + [True] * reach


def test_one_layer_is_the_formula():
    network = model(n_layers=1)
    (layer,) = network.layers
    tokens = random_tokens(network, 1, 5)
    e = network.embedding(tokens)[0]
    expected = []
    for t in range(5):
        earlier = e[t - 1] if t else torch.zeros(4)
        z = layer.now.weight @ e[t] + layer.now.bias
        z = z + layer.earlier.weight @ earlier + layer.first.weight @ e[0]
        u = torch.tanh(z[:4]) * torch.sigmoid(z[4:])
        skip = (layer.outputs.weight @ u + layer.outputs.bias)[4:]
        expected.append(network.output.weight @ torch.relu(skip) + network.output.bias)
    torch.testing.assert_close(network(tokens)[0], torch.stack(expected))


def test_the_first_token_is_not_forgotten():
    network = model(n_layers=2)
    tokens = random_tokens(network, 1, 40)
    other = tokens.clone()
    other[0, 0] = (other[0, 0] + 1) % 7
    difference = (network(tokens) - network(other)).abs().amax(dim=-1)
    assert (difference > 1e-5).all()


def test_memories_have_a_fixed_size():
    network = model()
    state = network.initial_state(2)
    for n_tokens in (1, 5, 17):
        _, state = network.advance(random_tokens(network, 2, n_tokens), state)
        assert [memory.shape[1] for memory in state] == [1, 1, 2, 4]


def test_what_was_dropped_cannot_be_taken_back():
    network = model()
    with pytest.raises(NotImplementedError, match="memories"):
        network.truncate(network.initial_state(1), 0)
    with pytest.raises(ValueError, match="n_layers must be at least 1"):
        ar.WaveNetConfig(7, n_layers=0)
