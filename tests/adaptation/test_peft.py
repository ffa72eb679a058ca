"""Our LoRA equals the peft library's on the same weights, step by step."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_tutorial import adaptation, ar
from tests.adaptation.test_lora import seeded
from tests.ar.checks import random_tokens
from tests.ar.models.test_gpt2 import SHAPES, huggingface_model
from tests.ar.small_models import make

RANK, ALPHA, N_STEPS = 3, 5, 6
# What the library calls a layer, and what we do.
GPT2_NAMES = {
    "attn.c_attn": "attention.query_key_value",
    "attn.c_proj": "attention.output",
    "mlp.c_fc": "up",
    "mlp.c_proj": "down",
}


def with_peft(model: nn.Module, targets: list[str]) -> nn.Module:
    """Put peft's factors into a model, in place."""
    import peft

    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the layers of a GPT-2 keep (in, out): it is noticed
        peft.inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    return model


def peft_factors(model: nn.Module) -> dict[str, nn.Parameter]:
    """Both factors of each layer by our names for them."""
    return {
        name.replace("lora_", "").replace(".default.weight", ""): parameter
        for name, parameter in model.named_parameters()
        if ".lora_" in name
    }


def our_factors(model: nn.Module) -> dict[str, nn.Parameter]:
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def start_alike(ours: dict[str, nn.Parameter], theirs: dict[str, nn.Parameter]) -> None:
    assert list(ours) == list(theirs)
    with torch.no_grad():
        for a, b in zip(ours.values(), theirs.values(), strict=True):
            assert a.shape == b.shape
            b.copy_(a)


def loss_of(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:])


def assert_learn_alike(ours, theirs, pairs, tolerance, *, vocab_size=11, time=10):
    """Both take the same steps on the same batches: outputs, gradients, weights."""
    optimizers = [
        torch.optim.AdamW([pair[side] for pair in pairs], lr=0.02, weight_decay=0.1)
        for side in (0, 1)
    ]
    close = {"rtol": tolerance, "atol": tolerance}
    start = [pair[0].detach().clone() for pair in pairs]
    for step in range(N_STEPS):
        tokens = torch.randint(vocab_size, (4, time), generator=seeded(step))
        for optimizer in optimizers:
            optimizer.zero_grad()
        logits, expected = ours(tokens), theirs(tokens)
        torch.testing.assert_close(logits, expected, **close)
        loss_of(logits, tokens).backward()
        loss_of(expected, tokens).backward()
        for mine, other in pairs:
            torch.testing.assert_close(mine.grad, other.grad, **close)
        for optimizer in optimizers:
            optimizer.step()
        for mine, other in pairs:
            torch.testing.assert_close(mine, other, **close)
    assert min((pair[0] - begin).abs().max() for pair, begin in zip(pairs, start, strict=True)) > 0


def pairs_of(ours, theirs, rename=lambda name: name):
    mine = our_factors(ours)
    other = {rename(name): parameter for name, parameter in peft_factors(theirs).items()}
    start_alike(mine, {name: other[name] for name in mine})
    assert len(mine) == len(other)
    return [(mine[name], other[name]) for name in mine]


@pytest.mark.parametrize("name", ["transformer", "gpt-2"])
def test_on_our_models_to_the_bit(name):
    ours, theirs = make(name), make(name)
    targets = ["query_key_value", "output", "up", "down"]
    adaptation.add_lora(ours, rank=RANK, alpha=ALPHA, targets=targets, rng=seeded())
    with_peft(theirs, targets)

    pairs = pairs_of(ours, theirs)
    assert_learn_alike(ours, theirs, pairs, 0, vocab_size=7, time=6)
    tokens = random_tokens(make(name), 3, 6)
    adaptation.merge_lora(ours)
    for layer in theirs.modules():
        if callable(merge := getattr(layer, "merge", None)):
            merge()
    torch.testing.assert_close(ours(tokens), theirs(tokens), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", SHAPES[:1])
def test_on_the_librarys_gpt2(settings):
    ours, theirs = huggingface_model(**settings), huggingface_model(**settings)
    names = adaptation.add_lora(
        ours, rank=RANK, alpha=ALPHA, targets=list(GPT2_NAMES), rng=seeded()
    )
    assert names[0] == "transformer.h.0.attn.c_attn"
    with_peft(theirs, [name.rpartition(".")[2] for name in GPT2_NAMES])
    pairs = pairs_of(ours, theirs)
    assert_learn_alike(lambda x: ours(x).logits, lambda x: theirs(x).logits, pairs, 1e-6)
    tokens = torch.arange(10)[None]
    before = ours(tokens).logits
    adaptation.merge_lora(ours)
    torch.testing.assert_close(ours(tokens).logits, before, rtol=1e-4, atol=1e-4)
    adaptation.remove_lora(ours, keep=True)
    converted = ar.GPT2.from_huggingface(ours)
    torch.testing.assert_close(converted(tokens), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", SHAPES[:1])
def test_our_gpt2_beside_the_librarys(settings):
    theirs = huggingface_model(**settings)
    ours = ar.GPT2.from_huggingface(theirs)
    adaptation.add_lora(
        ours, rank=RANK, alpha=ALPHA, targets=list(GPT2_NAMES.values()), rng=seeded()
    )
    with_peft(theirs, [name.rpartition(".")[2] for name in GPT2_NAMES])

    def rename(name: str) -> str:
        for library, own in GPT2_NAMES.items():
            name = name.replace(library, own)
        return name.replace("transformer.h.", "blocks.")

    pairs = pairs_of(ours, theirs, rename)
    assert_learn_alike(ours, lambda x: theirs(x).logits, pairs, 2e-4)


def test_all_linear_layers_of_the_librarys_gpt2_are_adapted_but_its_tied_head():
    names = adaptation.add_lora(huggingface_model(**SHAPES[0]), rank=1, rng=seeded())
    assert names == tuple(f"transformer.h.0.{name}" for name in GPT2_NAMES)
    with pytest.raises(ValueError, match="lm_head shares its matrix"):
        adaptation.add_lora(huggingface_model(**SHAPES[0]), rank=1, targets="lm_head", rng=seeded())
