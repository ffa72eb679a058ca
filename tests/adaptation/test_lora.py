"""LoRA: the correction, its merging, what is frozen, what is refused."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from aigc_tutorial import adaptation, ar, zoo
from aigc_tutorial.nn import count_parameters
from tests.ar.checks import random_tokens, randomize
from tests.ar.small_models import make

ADAPTABLE = ["window", "transformer", "transformer, tied, shifted", "gpt-2"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def adapted(name: str, **options: Any) -> ar.AutoregressiveModel:
    """A small model with LoRA whose factors are all different from zero."""
    model = make(name)
    settings: dict[str, Any] = {"rank": 2, "alpha": 3.0, "rng": seeded(1)}
    adaptation.add_lora(model, **settings | options)
    rng = seeded(2)
    for layer in adaptation.lora_layers(model).values():
        layer.B.data.normal_(0, 0.3, generator=rng)
    return model


def dense(name: str, model: nn.Module) -> Any:
    """The model of this name with W0 + alpha / r B A written into its matrices."""
    whole = make(name)
    for layer, lora in adaptation.lora_layers(model).items():
        plain: Any = whole.get_submodule(layer)
        plain.weight.data += lora.scale * lora.B.data @ lora.A.data
    return whole


@torch.no_grad()
@pytest.mark.parametrize("name", ADAPTABLE)
def test_a_new_lora_changes_no_bit(name):
    model = make(name)
    tokens = random_tokens(model, 3, 6)
    before = model(tokens)
    adaptation.add_lora(model, rank=2, rng=seeded())
    assert torch.equal(model(tokens), before)


@torch.no_grad()
@pytest.mark.parametrize("name", ADAPTABLE)
def test_the_correction_is_that_of_the_formula(name):
    model = adapted(name)
    tokens = random_tokens(model, 3, 6)
    expected = dense(name, model)(tokens)
    torch.testing.assert_close(model(tokens), expected, rtol=1e-5, atol=1e-5)
    assert (expected - make(name)(tokens)).abs().max() > 0.01


def test_gradients_of_the_factors_follow_from_that_of_the_matrix():
    """dL/dB = s G A^T and dL/dA = s B^T G, where G is the gradient of the whole matrix."""
    model = adapted("transformer")
    whole = dense("transformer", model)
    tokens = random_tokens(model, 3, 6)
    model.nll(tokens).sum().backward()
    whole.nll(tokens).sum().backward()
    for name, layer in adaptation.lora_layers(model).items():
        gradient = layer.scale * whole.get_submodule(name).weight.grad
        torch.testing.assert_close(layer.B.grad, gradient @ layer.A.T, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.A.grad, layer.B.T @ gradient, rtol=1e-4, atol=1e-5)
        assert layer.base.weight.grad is None


def test_the_factors_alone_can_be_trained_and_are_so_many():
    model = adapted("gpt-2", rank=3)
    layers = adaptation.lora_layers(model)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        f"{name}.{factor}" for name in layers for factor in "AB"
    }
    # Two blocks of width 8, each with 8 -> 24, 8 -> 8, 8 -> 32, 32 -> 8.
    assert count_parameters(model) == 2 * 3 * (32 + 16 + 40 + 40)
    assert {layer.rank for layer in layers.values()} == {3}


def test_the_first_factor_is_uniform_and_follows_from_the_seed():
    def factor(seed: int) -> torch.Tensor:
        layer = nn.Sequential(nn.Linear(400, 300))
        adaptation.add_lora(layer, rank=100, rng=seeded(seed))
        return adaptation.lora_layers(layer)["0"].A.detach()

    a, bound = factor(0), 1 / math.sqrt(400)
    assert torch.equal(a, factor(0))
    assert not torch.equal(a, factor(1))
    assert 0.999 * bound < a.abs().max() <= bound
    assert a.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_the_scale_is_alpha_over_rank_and_one_by_default():
    layers = adaptation.lora_layers(adapted("gpt-2", rank=2, alpha=3))
    assert {layer.scale for layer in layers.values()} == {1.5}
    layers = adaptation.lora_layers(adapted("gpt-2", rank=4, alpha=None))
    assert {layer.scale for layer in layers.values()} == {1.0}


def test_targets_are_chosen_by_kind_by_full_name_and_by_its_end():
    def names(**options: Any) -> tuple[str, ...]:
        return adaptation.add_lora(make("transformer"), rank=1, rng=seeded(), **options)

    one_block = ("attention.query_key_value", "attention.output", "up", "down")
    everywhere = tuple(f"blocks.{i}.{name}" for i in (0, 1) for name in one_block)
    assert names() == everywhere  # without the head, whose rows belong to tokens
    assert names(targets="up") == ("blocks.0.up", "blocks.1.up")
    assert names(targets=["blocks.1.down", "attention.output"]) == (
        "blocks.0.attention.output",
        "blocks.1.attention.output",
        "blocks.1.down",
    )
    assert names(targets=["head"]) == ("head",)


def test_a_head_that_the_model_multiplies_itself_is_adapted_too():
    model = adapted("transformer", targets="head")
    tokens = random_tokens(model, 2, 5)
    torch.testing.assert_close(model(tokens), dense("transformer", model)(tokens))
    model.nll(tokens).sum().backward()
    (layer,) = adaptation.lora_layers(model).values()
    gradients = [factor.grad for factor in (layer.A, layer.B)]
    assert all(gradient is not None and gradient.abs().min() > 0 for gradient in gradients)


@torch.no_grad()
@pytest.mark.parametrize("name", ADAPTABLE)
def test_without_lora_gives_the_bits_of_before_for_a_while(name):
    model = adapted(name)
    tokens = random_tokens(model, 3, 6)
    with_lora, before = model(tokens), make(name)(tokens)
    with adaptation.without_lora(model):
        assert torch.equal(model(tokens), before)
        with adaptation.without_lora(model):
            assert torch.equal(model(tokens), before)
        assert torch.equal(model(tokens), before)
    assert torch.equal(model(tokens), with_lora)
    adaptation.merge_lora(model)
    with adaptation.without_lora(model):
        assert torch.equal(model(tokens), before)


def test_an_error_within_switches_lora_on_again():
    model = adapted("gpt-2")
    with pytest.raises(KeyError), adaptation.without_lora(model):
        raise KeyError
    assert all(layer.is_on for layer in adaptation.lora_layers(model).values())


@torch.no_grad()
@pytest.mark.parametrize("name", ADAPTABLE)
def test_merging_adds_the_correction_and_unmerging_leaves_no_trace(name):
    model = adapted(name)
    tokens = random_tokens(model, 3, 6)
    before, state = model(tokens), copy.deepcopy(model.state_dict())
    adaptation.merge_lora(model)
    layer: Any
    for layer in adaptation.lora_layers(model).values():
        assert torch.equal(layer.merged, layer.base.weight + layer.B @ layer.A * layer.scale)
    torch.testing.assert_close(model(tokens), before, rtol=1e-5, atol=1e-5)
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in state)
    adaptation.merge_lora(model)  # merging twice adds once
    adaptation.unmerge_lora(model)
    assert torch.equal(model(tokens), before)
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in state)


@torch.no_grad()
def test_new_weights_in_a_merged_model_are_merged_too():
    model, other = adapted("gpt-2"), randomize(adapted("gpt-2"), seed=5)
    tokens = random_tokens(model, 2, 5)
    adaptation.merge_lora(model)
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(model(tokens), other(tokens), rtol=1e-5, atol=1e-5)


def test_a_merged_model_cannot_learn_and_can_be_evaluated():
    model = adapted("transformer")
    adaptation.merge_lora(model)
    tokens = random_tokens(model, 2, 5)
    assert model.eval().nll(tokens).isfinite().all()
    with pytest.raises(RuntimeError, match="unmerge_lora"):
        model.train().nll(tokens)
    adaptation.unmerge_lora(model)
    model.nll(tokens).sum().backward()


@torch.no_grad()
@pytest.mark.parametrize("name", ADAPTABLE)
def test_removing_gives_back_the_model_of_before(name):
    original = make(name)
    original.embedding = getattr(original, "embedding", None) or original.token_embedding
    original.embedding.requires_grad_(False)
    free = {name for name, p in original.named_parameters() if p.requires_grad}
    model = copy.deepcopy(original)
    adaptation.add_lora(model, rank=2, rng=seeded())
    for layer in adaptation.lora_layers(model).values():
        layer.B.normal_(generator=seeded(3))
    adaptation.merge_lora(model)
    adaptation.remove_lora(model, keep=False)
    assert [type(module) for module in model.modules()] == [type(m) for m in original.modules()]
    assert all(torch.equal(model.state_dict()[k], v) for k, v in original.state_dict().items())
    assert {name for name, p in model.named_parameters() if p.requires_grad} == free
    adaptation.add_lora(model, rank=2, rng=seeded())  # and it may be adapted anew


@torch.no_grad()
def test_removing_can_keep_what_was_learned_and_the_model_is_saved_as_any(tmp_path):
    model = adapted("transformer")
    tokens = random_tokens(model, 3, 6)
    adaptation.merge_lora(model)
    expected = model(tokens)
    # With LoRA it could be saved, and never be loaded again.
    with pytest.raises(ValueError, match=r"is not saved: it has LoRA, .*save_lora\(model, folder"):
        model.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []
    adaptation.unmerge_lora(model)
    with adaptation.without_lora(model):
        adaptation.remove_lora(model, keep=True)
    assert torch.equal(model(tokens), expected)
    model.save_pretrained(tmp_path)
    assert torch.equal(ar.Transformer.from_pretrained(tmp_path)(tokens), expected)


def test_an_adapted_part_is_freed_through_its_whole():
    backbone = make("gpt-2")
    whole = nn.Sequential(backbone)
    adaptation.add_lora(backbone, rank=1, rng=seeded())
    adaptation.remove_lora(whole, keep=False)
    assert all(parameter.requires_grad for parameter in whole.parameters())


def test_a_part_of_an_adapted_whole_is_freed_alone():
    parts = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), nn.Linear(4, 4)
    whole: Any = nn.Sequential(*parts)
    whole[0][1].bias.requires_grad_(False)
    free = {name for name, p in whole.named_parameters() if p.requires_grad}
    adaptation.add_lora(whole, rank=1, rng=seeded())
    adaptation.remove_lora(whole[0], keep=True)
    trained = {name for name, p in whole.named_parameters() if p.requires_grad}
    assert trained == {"0.0.weight", "0.0.bias", "0.1.weight", "1.A", "1.B"}
    adaptation.remove_lora(whole, keep=True)
    assert {name for name, p in whole.named_parameters() if p.requires_grad} == free


@pytest.mark.parametrize("name", ["transformer", "transformer, tied, shifted", "gpt-2"])
@pytest.mark.parametrize("is_merged", [False, True])
def test_the_fast_generation_draws_the_tokens_of_the_naive_one(name, is_merged):
    model = adapted(name)
    if is_merged:
        adaptation.merge_lora(model)
    prompt = random_tokens(model, 2, 2)
    fast = model.generate(prompt, max_new_tokens=8, rng=seeded(4))
    assert torch.equal(fast, model.generate_naively(prompt, max_new_tokens=8, rng=seeded(4)))


def test_a_copy_and_another_type_keep_what_was_learned():
    model = adapted("gpt-2")
    tokens = random_tokens(model, 2, 5)
    other = copy.deepcopy(model).double()
    torch.testing.assert_close(other(tokens).float(), model(tokens), rtol=1e-4, atol=1e-5)
    adaptation.remove_lora(other, keep=True)
    assert adaptation.lora_layers(model)


def test_what_cannot_be_adapted_is_refused_with_the_reason():
    def refused(model: nn.Module, message: str, **options: Any) -> None:
        settings: dict[str, Any] = {"rank": 1, "rng": seeded()} | options
        before = [name for name, p in model.named_parameters() if p.requires_grad]
        with pytest.raises(ValueError, match=message):
            adaptation.add_lora(model, **settings)
        assert [name for name, p in model.named_parameters() if p.requires_grad] == before

    refused(adapted("gpt-2"), "has LoRA already")
    refused(make("transformer"), "rank 9 is more than 8, the smaller width of blocks.0", rank=9)
    refused(make("transformer"), "rank", rank=0)
    refused(make("transformer"), "alpha must be above 0", alpha=0)
    refused(make("transformer"), "alpha must be above 0", alpha=float("nan"))
    refused(make("transformer"), "no layer .* 'c_attn'; its linear layers are", targets="c_attn")
    refused(make("transformer"), "no layer", targets=["up", ""])
    refused(make("transformer"), "names no layer", targets=[])
    refused(make("transformer"), "embedding is a Embedding", targets="embedding")
    refused(make("lstm"), "no linear layer to adapt")
    tied = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 5, bias=False))
    tied[2].weight = tied[0].weight
    refused(tied, "2 shares its matrix with another module", targets="2")
    assert adaptation.add_lora(tied, rank=1, rng=seeded()) == ("1",)
    layer = nn.Linear(4, 4)
    refused(nn.Sequential(layer, layer), "no linear layer to adapt")
    quantised = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)))
    refused(quantised, "ParametrizedLinear", targets="0")
    whole_numbers = nn.Linear(4, 4)
    whole_numbers.weight = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
    refused(nn.Sequential(whole_numbers), "floating-point", targets="0")


def test_a_model_without_lora_is_told():
    for function in (adaptation.merge_lora, adaptation.unmerge_lora):
        with pytest.raises(ValueError, match="has no LoRA; add_lora"):
            function(make("gpt-2"))
    with pytest.raises(ValueError, match="has no LoRA"), adaptation.without_lora(make("gpt-2")):
        pass
    with pytest.raises(ValueError, match="has no LoRA"):
        adaptation.remove_lora(make("gpt-2"), keep=True)


def test_a_model_of_the_zoo_learns_a_style_and_forgets_it_at_once():
    from aigc_tutorial.data import weather_bulletins
    from aigc_tutorial.evaluation.likelihood import text_likelihood

    model, tokenizer = zoo.load("english-bytes"), zoo.tokenizer("english-bytes")
    text, unseen = (tokenizer.encode(weather_bulletins(30, rng=seeded(i))) for i in (0, 1))

    def nats() -> float:
        return text_likelihood(model, unseen, context=64).nats_per_token

    before = nats()
    adaptation.add_lora(model, rank=4, rng=seeded())
    config = ar.ARTrainingConfig(n_tokens=6_000, batch_size=8, context=64, warmup_tokens=500)
    ar.train(model, text, config=config, progress_bar=False)
    assert nats() < 0.8 * before
    with adaptation.without_lora(model):
        assert nats() == before
