"""The Transformer keeps the laws of autoregressive models, cached and packed too."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.data.batches.tokens import pack_sequences
from aigc_tutorial.nn.norm import rms_norm
from aigc_tutorial.nn.position import RotaryPositions
from tests.ar import checks

CONTEXT = 12
SMALL = TransformerConfig(vocab_size=11, context=CONTEXT, n_layers=2, n_heads=2, width=8)
VARIANTS = [
    {},
    {"token_shift": 0, "logit_cap": None, "activation": "gelu"},
    {"token_shift": 3, "tie_embeddings": True},
]


@pytest.fixture(params=VARIANTS, ids=["default", "plain", "tied"])
def model(request):
    return checks.randomize(Transformer(dataclasses.replace(SMALL, **request.param)))


@pytest.fixture
def tokens(model):
    return checks.random_tokens(model, 2, CONTEXT)


def test_causal(model, tokens):
    checks.assert_causal(model, tokens)


def test_without_its_mask_the_model_is_caught():
    class Unmasked(Transformer):
        def attention_mask(self, n_queries, n_keys, segments=None):
            return torch.ones(n_queries, n_keys, dtype=torch.bool)

    model = checks.randomize(Unmasked(SMALL))
    tokens = checks.random_tokens(model, 2, CONTEXT)
    with pytest.raises(AssertionError, match="later token"):
        checks.assert_causal(model, tokens)
    with pytest.raises(AssertionError, match="later tokens"):
        checks._assert_later_gradients_vanish(model, tokens)


def test_cached_equals_uncached_up_to_the_edge_of_the_context(model, tokens):
    checks.assert_cached_equals_uncached(model, tokens)


def test_rows_of_the_state_can_be_selected(model, tokens):
    checks.assert_rows_can_be_selected(model, tokens)


def test_state_can_be_truncated(model, tokens):
    checks.assert_state_can_be_truncated(model, tokens)


@torch.no_grad()
@pytest.mark.parametrize("token_shift", [0, 1, 3])
def test_greedy_decoding_with_the_cache_equals_recomputing_everything(token_shift):
    config = TransformerConfig(65, 64, 3, 4, 32, token_shift=token_shift)
    model = checks.randomize(Transformer(config), scale=0.2)
    cached = recomputed = checks.random_tokens(model, 3, 5)
    logits, state = model.advance(cached, model.initial_state(3))
    while cached.shape[1] < 64:
        expected = model(recomputed)[:, -1]
        torch.testing.assert_close(logits[:, -1], expected, rtol=0, atol=1e-5)
        cached = torch.cat([cached, logits[:, -1:].argmax(-1)], 1)
        recomputed = torch.cat([recomputed, expected.argmax(-1, keepdim=True)], 1)
        logits, state = model.advance(cached[:, -1:], state)
    assert torch.equal(cached, recomputed)
    assert len(cached.unique()) > 5


def test_likelihoods(model, tokens):
    checks.assert_uniform_nll(model, tokens)


def test_probabilities_of_all_sequences_sum_to_one():
    model = checks.randomize(Transformer(TransformerConfig(3, 5, 2, 2, 8)))
    checks.assert_probabilities_sum_to_one(model, 4)


def test_a_new_model_predicts_the_uniform_distribution():
    torch.manual_seed(0)
    model = Transformer(SMALL)
    tokens = checks.random_tokens(model, 2, CONTEXT)
    nll = model.nll(tokens)
    torch.testing.assert_close(nll, torch.full_like(nll, math.log(11)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("activation", "formula"),
    [("relu2", lambda u: u.clamp(min=0) ** 2), ("gelu", torch.nn.functional.gelu)],
)
def test_the_perceptron_adds_what_its_formula_says(activation, formula):
    config = dataclasses.replace(SMALL, activation=activation)
    block: Any = checks.randomize(Transformer(config)).blocks[0]
    block.attention.output.weight.zero_()  # so that attention adds nothing
    x = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0))
    hidden = formula(rms_norm(x) @ block.up.weight.T)
    found = block(x, None, RotaryPositions(4, CONTEXT, 1000.0)(0, 3))
    torch.testing.assert_close(found, x + hidden @ block.down.weight.T)


@pytest.mark.parametrize("width", [64, 256])
def test_new_matrices_keep_the_variance_of_their_input(width):
    torch.manual_seed(0)
    block: Any = Transformer(dataclasses.replace(SMALL, width=width)).blocks[0]
    for matrix in (block.attention.query_key_value.weight, block.up.weight):
        assert float(matrix.detach().std()) == pytest.approx(width**-0.5, rel=0.05)


@pytest.mark.parametrize("n_sequences", [1, 3])
def test_packed_sequences_have_the_likelihoods_of_separate_ones(model, n_sequences):
    sequences = [checks.random_tokens(model, 1, 2 + i, seed=i)[0] for i in range(n_sequences)]
    tokens, mask, segments = pack_sequences(sequences, CONTEXT + 1)
    assert len(tokens) == 1
    packed = model.nll(tokens, mask, segments)
    separate = torch.cat([model.nll(sequence[None])[0] for sequence in sequences])
    torch.testing.assert_close(packed[mask[:, 1:]], separate, rtol=0, atol=1e-5)
    assert not packed[~mask[:, 1:]].any()


def test_first_token_of_a_segment_is_given_without_a_mask_too(model, tokens):
    segments = torch.tensor([[1] * 5 + [2] * 7]).expand(2, -1)
    nll = model.nll(tokens, segments=segments)
    assert not nll[:, 4].any()
    torch.testing.assert_close(nll[:, :4], model.nll(tokens[:, :5]), rtol=0, atol=1e-5)
    torch.testing.assert_close(nll[:, 5:], model.nll(tokens[:, 5:]), rtol=0, atol=1e-5)


def test_attention_maps_are_causal_and_sum_to_one(model, tokens):
    maps = model.attention_maps(tokens)
    assert maps.shape == (2, 2, 2, CONTEXT, CONTEXT)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 2, CONTEXT))
    assert not maps.triu(1).any()


@torch.no_grad()
def test_attention_maps_are_those_that_the_kernel_used(model, tokens):
    calls: list = []
    for block in model.blocks:
        block.attention.register_forward_hook(lambda *call: calls.append(call))
    model(tokens)
    calls_of_forward = calls.copy()
    for call, map_ in zip(calls_of_forward, model.attention_maps(tokens), strict=True):
        attention, (x, _, rotation, *_), output = call
        *_, values = attention.project(x, rotation)
        gathered = (map_ @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(attention.output(gathered), output)


def test_maps_are_made_of_tokens_in_whatever_holds_them(model, tokens):
    maps = model.attention_maps(tokens)
    assert torch.equal(model.attention_maps(tokens.tolist()), maps)
    assert torch.equal(model.attention_maps(tokens.int().numpy()), maps)
    with pytest.raises(ValueError, match=r"tokens must lie in 0 … 10, got 11 … 11"):
        model.attention_maps([[11]])


def test_a_model_built_without_values_computes_what_its_weights_say(model, tokens):
    with torch.device("meta"):
        loaded = Transformer(model.config)
    loaded.to_empty(device="cpu").load_state_dict(model.state_dict())
    assert torch.equal(loaded(tokens), model(tokens))


def test_logits_are_bounded_by_the_cap(tokens):
    config = dataclasses.replace(SMALL, logit_cap=2.0)
    model = checks.randomize(Transformer(config), scale=3)
    assert 1.9 < model(tokens).abs().max() <= 2


def test_saved_and_loaded_it_is_the_same(model, tokens, tmp_path):
    model.save_pretrained(tmp_path / "model")
    loaded = Transformer.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    assert torch.equal(loaded(tokens), model(tokens))


def test_tied_weights_are_stored_once(tmp_path):
    Transformer(dataclasses.replace(SMALL, tie_embeddings=True)).save_pretrained(tmp_path / "m")
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    assert [name for name, tensor in tensors.items() if 11 in tensor.shape] == ["embedding.weight"]


def test_beyond_the_context_is_an_error(model, tokens):
    with pytest.raises(ValueError, match="at most 12 tokens"):
        model(torch.cat([tokens, tokens], 1))
    _, state = model.advance(tokens, model.initial_state(2))
    with pytest.raises(ValueError, match="do not fit into the context of 12"):
        model.advance(tokens[:, :1], state)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"n_heads": 3}, "cannot be divided among 3 heads"),
        ({"logit_cap": 0.0}, "logit_cap must be above 0"),
        ({"token_shift": -1}, "token_shift must be at least 0"),
        ({"width": 0}, "width must be at least 1"),
        ({"rope_base": 1.0}, "rope_base must be above 1"),
    ],
)
def test_impossible_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        Transformer(dataclasses.replace(SMALL, **setting))


def test_an_unknown_activation_is_refused():
    config = dataclasses.replace(SMALL)
    # Past the type checker of the tests, which would refuse it first: it is not there at run time.
    object.__setattr__(config, "activation", "relu")
    with pytest.raises(ValueError, match="activation must be one of 'relu2', 'gelu', got 'relu'"):
        config.__post_init__()
