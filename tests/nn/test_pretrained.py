"""Saving and loading: strict, complete, never half-written."""

import dataclasses
import json
import os
import shutil
import threading
from dataclasses import dataclass
from inspect import unwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from aigc_tutorial import ar, gan, zoo
from aigc_tutorial.nn import Pretrained


@dataclass(frozen=True)
class TinyConfig:
    sizes: tuple[int, ...] = (2, 3)
    note: str = ""


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e5m2])
def test_less_than_half_precision_on_disk_comes_back_too(dtype, tmp_path):
    model = Tiny(TinyConfig())
    model.save_pretrained(tmp_path, dtype=dtype)
    loaded = Tiny.from_pretrained(tmp_path)
    for stored, weight in zip(loaded.parameters(), model.parameters(), strict=True):
        assert torch.equal(stored, weight.to(dtype).float())
    model.layer.bias.data[0] = 1e6
    with pytest.raises(ValueError, match=r"and rounding to it gives 1 values in layer\.bias"):
        model.save_pretrained(tmp_path, dtype=torch.float8_e4m3fn)


def test_a_type_is_not_named_by_a_text(tmp_path):
    with pytest.raises(ValueError, match=r"such as torch\.float16, not 'float16'"):
        unwrap(Tiny.save_pretrained)(Tiny(TinyConfig()), tmp_path, dtype="float16")


def test_a_device_that_is_not_here_is_told_before_the_files_are_read(tmp_path):
    for device in ("gpu", "cuda:99", "mps:7"):
        with pytest.raises(ValueError, match=rf"'{device}' is no device of this machine.*cpu; wri"):
            Tiny.from_pretrained(tmp_path, device=device)
    with pytest.raises(ValueError, match="'gpu' is no device of this machine"):
        zoo.load("english-bytes", "gpu")
    Tiny(TinyConfig()).save_pretrained(tmp_path)
    assert Tiny.from_pretrained(tmp_path, device="meta").device.type == "meta"


@pytest.mark.parametrize("base", [Pretrained, ar.AutoregressiveModel])
def test_a_base_of_models_loads_none(base, tmp_path):
    Tiny(TinyConfig()).save_pretrained(tmp_path)
    with pytest.raises(TypeError, match=rf"{base.__name__} is a base of models and none itself"):
        base.from_pretrained(tmp_path)


def test_who_loads_a_model_draws_no_random_numbers(tmp_path):
    """Else the networks built after it would have other weights than without it."""
    Tiny().save_pretrained(tmp_path)
    before = torch.get_rng_state()
    Tiny.from_pretrained(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_failed_saving_leaves_the_old_model_in_place(tmp_path, monkeypatch):
    model = Tiny()
    model.save_pretrained(tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    monkeypatch.setattr("aigc_tutorial.nn.pretrained.to_json", lambda config: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Tiny().save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_strangers_in_the_folder_stay(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref")
    (tmp_path / "thesis.tex").write_text("years of work")
    for _ in range(2):
        Tiny().save_pretrained(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        ".git",
        "config.json",
        "model.safetensors",
        "thesis.tex",
    ]
    assert (tmp_path / ".git" / "HEAD").read_text() == "ref"


def test_the_current_folder_can_be_saved_into(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").write_text("mine")
    Tiny().save_pretrained(".")
    assert (tmp_path / "notes").read_text() == "mine"
    Tiny.from_pretrained(".")


def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model = Tiny()
    model.save_pretrained("~/model")
    assert os.listdir(tmp_path / "here") == []
    assert torch.equal(Tiny.from_pretrained("~/model").layer.bias, model.layer.bias)


def test_a_file_in_the_way_is_refused_and_stays(tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(NotADirectoryError, match="model is a file"):
        Tiny().save_pretrained(tmp_path / "model")
    assert (tmp_path / "model").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_files_can_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o022)
    try:
        Tiny().save_pretrained(tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_weights_that_are_no_numbers_are_neither_saved_nor_loaded(value, tmp_path):
    Tiny().save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    model = Tiny()
    torch.nn.init.constant_(model.layer.bias, float(value))
    with pytest.raises(ValueError, match=r"Tiny is not saved: it has 3 values in layer\.bias"):
        model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"model\.safetensors holds, as float32, 3 values in layer\.bias"
    ):
        Tiny.from_pretrained(tmp_path)


def test_weights_too_large_for_the_stored_type_are_refused(tmp_path):
    model = Tiny()
    torch.nn.init.constant_(model.layer.bias, 1e5)
    with pytest.raises(ValueError, match=r"float16 reaches to 65,504, .* 3 values in layer\.bias"):
        model.save_pretrained(tmp_path, dtype=torch.float16)
    assert os.listdir(tmp_path) == []
    model.save_pretrained(tmp_path, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match=r"not torch\.int8"):
        model.save_pretrained(tmp_path, dtype=torch.int8)


def test_files_of_two_savings_are_not_mixed(tmp_path):
    Tiny(TinyConfig(note="first")).save_pretrained(tmp_path / "a")
    Tiny(TinyConfig(note="second")).save_pretrained(tmp_path / "b")
    shutil.copy(tmp_path / "a" / "config.json", tmp_path / "b")
    with pytest.raises(ValueError, match=r"config\.json is not the configuration that"):
        Tiny.from_pretrained(tmp_path / "b")
    (tmp_path / "b" / "config.json").unlink()  # as the message says
    assert Tiny.from_pretrained(tmp_path / "b").config.note == "second"


def test_a_reader_during_savings_never_meets_a_mixture(tmp_path):
    models = [Tiny(TinyConfig(note=str(i))) for i in range(2)]
    for i, model in enumerate(models):
        torch.nn.init.constant_(model.layer.bias, i)
    models[0].save_pretrained(tmp_path)

    def keep_saving():
        for i in range(40):
            models[i % 2].save_pretrained(tmp_path)

    thread = threading.Thread(target=keep_saving)
    thread.start()
    while thread.is_alive():
        read = Tiny.from_pretrained(tmp_path)
        assert read.layer.bias.tolist() == [float(read.config.note)] * 3
    thread.join()


def test_any_damage_to_the_weights_is_found(tmp_path):
    Tiny().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    for position in range(0, len(whole), 5):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
            Tiny.from_pretrained(tmp_path)


def test_any_damage_to_the_configuration_is_found(tmp_path):
    Tiny().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # the last byte ends the line
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"config\.json"):
            Tiny.from_pretrained(tmp_path)
    path.write_bytes(whole.replace(b"2", b"4"))
    with pytest.raises(ValueError, match=r"config\.json is not the configuration"):
        Tiny.from_pretrained(tmp_path)


def as_another_program_saves(model, folder):
    """Without the copy of the configuration in the weights and the sum of their content."""
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(model.config)))


def test_another_programs_files_are_loaded(tmp_path):
    model = Tiny()
    as_another_program_saves(model, tmp_path)
    assert torch.equal(Tiny.from_pretrained(tmp_path).layer.weight, model.layer.weight)
    (tmp_path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        Tiny.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"sizes": [2, 3], "witdh": 4}, "no setting witdh"),  # codespell:ignore witdh
        ({"sizes": [4, 3]}, r"model\.safetensors do not fit Tiny.*layer\.weight"),
        ([], "expected a JSON object"),
    ],
)
def test_configurations_that_do_not_fit_are_an_error(config, reason, tmp_path):
    as_another_program_saves(Tiny(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"(?s){reason}") as error:
        Tiny.from_pretrained(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_weights_of_another_model_are_an_error(tmp_path):
    Tiny().save_pretrained(tmp_path)
    save_file({"layer.weight": torch.ones(3, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"(?s)do not fit Tiny.*layer\.bias"):
        Tiny.from_pretrained(tmp_path)


@pytest.fixture
def hub(monkeypatch):
    """Records what is asked for instead of asking; nobody answers."""
    asked = []

    def download(**request):
        asked.append(request)
        raise ConnectionError("nobody answers")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    for name in ("HF_HUB_OFFLINE", "AIGC_TUTORIAL_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return asked


@pytest.mark.parametrize(
    "folder",
    [
        "./typo",
        "../typo",
        "typo",
        "/typo/x",
        "~/typo",
        "runs/typo",
        "a/b/c",
        "a/b.safetensors",
        "a/",
    ],
)
def test_a_mistyped_folder_does_not_ask_the_hub(folder, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in (folder, Path("user/model")):
        with pytest.raises(FileNotFoundError, match="written by save_pretrained"):
            Tiny.from_pretrained(name)
    assert hub == []


def test_a_repository_is_asked_for_by_name_and_revision(hub):
    with pytest.raises(FileNotFoundError, match=r"user/model could not be had .*nobody answers"):
        Tiny.from_pretrained("user/model", revision="v1")
    assert hub[0]["repo_id"] == "user/model"
    assert hub[0]["revision"] == "v1"
    assert not hub[0]["local_files_only"]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "AIGC_TUTORIAL_OFFLINE"])
def test_offline_asks_nobody(variable, hub, monkeypatch):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(FileNotFoundError, match="offline, so only"):
        Tiny.from_pretrained("user/model")
    assert hub[0]["local_files_only"]


def test_a_folder_has_no_revisions(tmp_path):
    Tiny().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="revision is of repositories"):
        Tiny.from_pretrained(tmp_path, revision="main")


def test_missing_folder_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="written by save_pretrained"):
        Tiny.from_pretrained(tmp_path / "nowhere")


def test_wrong_configuration_class_is_refused():
    with pytest.raises(TypeError, match="built from a TinyConfig"):
        Tiny({"sizes": (2, 3)})


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (ar.Transformer, ar.AblatedTransformerConfig(vocab_size=5, without=("mask",))),
        (gan.MLPGenerator, gan.MLPGeneratorCopiesConfig(n_copies=2)),
        (gan.MLPDiscriminator, gan.MLPDiscriminatorCopiesConfig(n_copies=2)),
    ],
)
def test_settings_that_a_model_does_not_know_are_refused(model, config):
    """The whole Transformer was built where one without a mask was asked for, in silence."""
    with pytest.raises(TypeError, match=rf"built from .*, got {type(config).__name__}, whose"):
        model(config)


class Tied(Pretrained):
    """Two names for one weight, and a mask that is made of zeros and -inf."""

    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))


def test_shared_weights_and_masks_come_back(tmp_path):
    model = Tied(TinyConfig())
    model.save_pretrained(tmp_path)
    loaded = Tied.from_pretrained(tmp_path)
    assert loaded.second.weight is loaded.first.weight
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


class Layered(Pretrained):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        layers = nn.Linear(3, 3), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.Linear(3, 3)
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


CHANGES = {
    "layers.1 is a GELU": lambda m: m.layers.__setitem__(1, nn.GELU()),
    r"layers.1 is a LeakyReLU\(negative_slope=0.01\), and would be": lambda m: m.layers.__setitem__(
        1, nn.LeakyReLU(0.01, inplace=True)
    ),
    "extra is a Linear, and would be missing": lambda m: m.add_module("extra", nn.Linear(2, 2)),
    "layers.3 is missing, and would be a Linear": lambda m: m.layers.__delitem__(3),
    r"layers.3.weight is of shape \(5, 3\)": lambda m: m.layers.__setitem__(3, nn.Linear(3, 5)),
    "layers.0.weight_orig": lambda m: prune.l1_unstructured(m.layers[0], "weight", 0.5),
    "layers.0 is a ParametrizedLinear": lambda m: parametrizations.weight_norm(m.layers[0]),
}


@pytest.mark.parametrize("message", CHANGES)
def test_what_would_be_loaded_as_another_model_is_not_saved(message, tmp_path):
    """Some were loaded as another function, in silence; of the others the files were useless."""
    model = Layered(TinyConfig())
    model.save_pretrained(tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    CHANGES[message](model)
    with pytest.raises(ValueError, match=f"is not saved: its part {message}"):
        model.save_pretrained(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_weights_that_loading_would_tie_are_not_saved(tmp_path):
    model = Tied(TinyConfig())
    model.second.weight = nn.Parameter(model.first.weight.detach() + 1)
    with pytest.raises(ValueError, match=r"second\.weight is apart from first\.weight, and"):
        model.save_pretrained(tmp_path)


def test_what_changes_no_result_does_not_keep_from_saving(tmp_path):
    model = Layered(TinyConfig()).double()
    for layer, changed in ((1, {"inplace": True}), (2, {"p": 0.1})):
        vars(model.layers[layer]).update(changed)
    model.layers[3].weight = model.layers[0].weight
    model.requires_grad_(False).compile(backend="eager")
    before = torch.get_rng_state()
    model.save_pretrained(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    loaded, x = Layered.from_pretrained(tmp_path), torch.ones(2, 3)
    torch.testing.assert_close(loaded(x), model.eval()(x.double()).float())


class Lazy(Pretrained):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.layer = nn.LazyLinear(2)


def test_layers_that_learn_their_size_from_data_are_saved(tmp_path):
    model = Lazy(TinyConfig())
    model.layer(torch.ones(1, 3))
    model.save_pretrained(tmp_path)
    assert torch.equal(Lazy.from_pretrained(tmp_path).layer.weight, model.layer.weight)
