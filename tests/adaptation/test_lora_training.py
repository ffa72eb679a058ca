"""A model with LoRA is trained, interrupted and continued as any other; its factors are kept."""

from typing import Any

import pytest
import torch
from torch import nn

from aigc_tutorial import adaptation, ar
from aigc_tutorial.tensors import load_tensors, save_tensors
from tests.adaptation.test_lora import adapted, seeded
from tests.ar.checks import random_tokens
from tests.ar.small_models import make
from tests.training.interrupted import InterruptedEngine

CONFIG = ar.ARTrainingConfig(n_tokens=600, batch_size=4, warmup_tokens=0)


def text(name: str) -> torch.Tensor:
    return torch.arange(400) % make(name).vocab_size


def new(name: str) -> ar.AutoregressiveModel:
    model = make(name)
    adaptation.add_lora(model, rank=2, rng=seeded())
    return model


@pytest.mark.parametrize("name", ["transformer", "gpt-2"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_training_moves_the_factors_alone(name, optimizer):
    config = ar.ARTrainingConfig(n_tokens=3_000, optimizer=optimizer, weight_decay=0.1)
    model = new(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = ar.train(model, text(name), config=config, progress_bar=False)
    assert result.history["loss"][-1] < result.history["loss"][0] - 0.05
    moved = {k for k, value in model.state_dict().items() if not torch.equal(value, before[k])}
    assert moved == {key for key in before if key.endswith((".A", ".B"))}
    assert {n for n, p in result.model.named_parameters() if p.requires_grad} == moved


@pytest.mark.parametrize("name", ["transformer", "gpt-2"])
def test_an_interrupted_training_is_continued_to_the_bit(name, tmp_path):
    whole = ar.train(new(name), text(name), config=CONFIG, progress_bar=False)
    options: dict[str, Any] = {
        "checkpoint_folder": tmp_path,
        "checkpoint_every": 50,
        "progress_bar": False,
    }
    engine = InterruptedEngine(15)  # of which the first is tried and taken back
    with pytest.raises(KeyboardInterrupt):
        ar.train(new(name), text(name), config=CONFIG, engine=engine, **options)
    resumed = ar.train(new(name), text(name), config=CONFIG, **options)
    state = whole.model.state_dict()
    assert all(torch.equal(resumed.model.state_dict()[key], state[key]) for key in state)
    assert resumed.history["loss"] == whole.history["loss"]


def test_a_checkpoint_with_lora_is_not_that_of_the_model_in_full(tmp_path):
    options: dict[str, Any] = {
        "config": CONFIG,
        "checkpoint_folder": tmp_path,
        "progress_bar": False,
    }
    ar.train(new("gpt-2"), text("gpt-2"), **options)
    with pytest.raises(ValueError, match="belongs to another run"):
        ar.train(make("gpt-2"), text("gpt-2"), **options)
    other = make("gpt-2")
    adaptation.add_lora(other, rank=2, rng=seeded(1))
    with pytest.raises(ValueError, match="belongs to another run"):
        ar.train(other, text("gpt-2"), **options)


@pytest.mark.parametrize("name", ["transformer", "transformer, tied, shifted", "gpt-2"])
@pytest.mark.parametrize("is_merged", [False, True])
def test_saved_factors_make_the_same_model_of_the_same_weights(name, is_merged, tmp_path):
    model, fresh = adapted(name), make(name)
    if is_merged:
        adaptation.merge_lora(model)
    adaptation.save_lora(model, tmp_path)
    adaptation.unmerge_lora(model)
    names = adaptation.load_lora(fresh, tmp_path)
    assert names == tuple(adaptation.lora_layers(model))
    tokens = random_tokens(model, 3, 6)
    assert torch.equal(fresh(tokens), model(tokens))
    assert {n for n, p in fresh.named_parameters() if p.requires_grad} == {
        f"{name}.{factor}" for name in names for factor in "AB"
    }
    assert {layer.scale for layer in adaptation.lora_layers(fresh).values()} == {1.5}


def test_other_weights_are_refused_and_stay_as_they_are(tmp_path):
    adaptation.save_lora(adapted("gpt-2"), tmp_path)
    other: Any = make("gpt-2")
    other.final_norm.bias.data[0] += 1e-6
    with pytest.raises(ValueError, match="learned beside other weights"):
        adaptation.load_lora(other, tmp_path)
    assert not adaptation.lora_layers(other)
    with pytest.raises(ValueError, match="has LoRA already"):
        adaptation.load_lora(adapted("gpt-2"), tmp_path)


def test_a_file_holds_the_factors_alone(tmp_path):
    model = adapted("gpt-2")
    adaptation.save_lora(model, tmp_path)
    (path,) = tmp_path.iterdir()
    tensors, _ = load_tensors(path)
    assert set(tensors) == {n for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("second", [{"rank": 2, "alpha": 8.0}, {"rank": 1, "alpha": 1.0}])
def test_parts_that_were_adapted_one_by_one_are_saved_one_by_one(second, tmp_path):
    def make_two() -> Any:
        torch.manual_seed(0)
        return nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 4)))

    model, fresh = make_two(), make_two()
    adaptation.add_lora(model[0], rank=2, alpha=2.0, rng=seeded())
    adaptation.add_lora(model[1], rng=seeded(), **second)
    with pytest.raises(ValueError, match=r"1\.0 has rank . and scale ., and 0\.0 2 and 1: .* each"):
        adaptation.save_lora(model, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for part, place in zip(model, fresh, strict=True):
        nn.init.ones_(part[0].B)
        adaptation.save_lora(part, tmp_path)
        adaptation.load_lora(place, tmp_path)
    x = torch.ones(1, 4)
    assert torch.equal(fresh(x), model(x))


def test_what_would_be_lost_or_is_damaged_is_told(tmp_path):
    model: Any = adapted("gpt-2")
    model.final_norm.requires_grad_(True)
    with pytest.raises(ValueError, match=r"besides LoRA's factors final_norm.weight is trained"):
        adaptation.save_lora(model, tmp_path)
    model = adapted("gpt-2")
    next(iter(adaptation.lora_layers(model).values())).A.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        adaptation.save_lora(model, tmp_path)
    with pytest.raises(ValueError, match="has no LoRA"):
        adaptation.save_lora(make("gpt-2"), tmp_path)
    with pytest.raises(FileNotFoundError):
        adaptation.load_lora(make("gpt-2"), tmp_path)
    save_tensors(tmp_path / "lora.safetensors", {"A": torch.ones(1)})
    with pytest.raises(ValueError, match="holds no LoRA"):
        adaptation.load_lora(make("gpt-2"), tmp_path)
