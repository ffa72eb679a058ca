"""Saving and loading: strict, complete, never half-written."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from aigc_tutorial.nn import Pretrained


@dataclass(frozen=True)
class TinyConfig:
    sizes: tuple[int, ...] = (2, 3)


class Tiny(Pretrained):
    config_class = TinyConfig

    def __init__(self, config=TinyConfig()):
        super().__init__(config)
        self.layer = nn.Linear(*config.sizes)


def test_half_precision_on_disk_comes_back_as_float32(tmp_path):
    model = Tiny()
    model.save_pretrained(tmp_path / "half", dtype=torch.float16)
    loaded = Tiny.from_pretrained(tmp_path / "half")
    assert loaded.layer.weight.dtype == torch.float32
    assert torch.equal(loaded.layer.weight, model.layer.weight.half().float())


def test_failed_saving_leaves_the_old_model_in_place(tmp_path, monkeypatch):
    model = Tiny()
    model.save_pretrained(tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    monkeypatch.setattr("aigc_tutorial.nn.pretrained.to_json", lambda config: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Tiny().save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_unknown_settings_are_an_error(tmp_path):
    Tiny().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"sizes": [2, 3], "witdh": 4}))
    with pytest.raises(ValueError, match="no setting witdh"):
        Tiny.from_pretrained(tmp_path)


def test_weights_of_another_size_are_an_error(tmp_path):
    Tiny().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"sizes": [4, 3]}))
    with pytest.raises(ValueError, match="do not fit Tiny"):
        Tiny.from_pretrained(tmp_path)


def test_truncated_weights_are_an_error(tmp_path):
    Tiny().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="do not fit Tiny"):
        Tiny.from_pretrained(tmp_path)


def test_missing_folder_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="written by save_pretrained"):
        Tiny.from_pretrained(tmp_path / "nowhere")


def test_wrong_configuration_class_is_refused():
    with pytest.raises(TypeError, match="built from a TinyConfig"):
        Tiny({"sizes": (2, 3)})
