"""Models on the Hugging Face Hub: pushed, shown and loaded, on a stand-in of it."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin

from aigc_tutorial import ar, zoo
from aigc_tutorial.nn import count_parameters
from aigc_tutorial.tokenizers import ByteTokenizer
from tests.zoo.stand_in_hub import TOKEN, Hub, stand_in_hub

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own: the library reads the address when it is imported.
LOAD = """
import os, torch
from aigc_tutorial import cli, zoo
from aigc_tutorial.gan import MLPGenerator
code = cli.main(["zoo", "push", "mnist-mlp-gan", "user/digits"])
assert code == 0, code
loaded = MLPGenerator.from_pretrained("user/digits").state_dict()
for name, tensor in zoo.load("mnist-mlp-gan").state_dict().items():
    assert torch.equal(tensor, loaded[name]), name
code = cli.main(["zoo", "push", "english-bytes", "user/bytes", "--public"])
assert code == 0, code
os.environ["HF_TOKEN"] = "hf_wrong"
code = cli.main(["zoo", "push", "mnist-mlp-gan", "user/others"])
assert code == 1, code
"""


# The library tries five times, and waits 23 seconds in all between them.
FAIL = """
from types import SimpleNamespace
from huggingface_hub.utils import _http
_http.time = SimpleNamespace(sleep=lambda seconds: None)
from aigc_tutorial import cli
from aigc_tutorial.gan import MLPGenerator
for name in ("refused", "failing", "cut"):
    code = cli.main(["zoo", "push", "mnist-mlp-gan", f"user/{name}"])
    assert code == 1, (name, code)
for name in ("cut", "half", "torn"):
    try:
        MLPGenerator.from_pretrained(f"user/{name}")
    except (FileNotFoundError, ValueError) as error:
        print(f"{name}: {type(error).__name__}:", " ".join(str(error).split()))
"""


def python(program: str, hub: Hub, folder: Path) -> "subprocess.CompletedProcess[str]":
    own = {
        "HF_ENDPOINT": hub.address, "HF_HOME": str(folder), "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0",
        "AIGC_TUTORIAL_OFFLINE": "0",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | own, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def test_a_hub_that_fails_is_told_in_a_sentence(tmp_path):
    zoo.load("mnist-mlp-gan").save_pretrained(tmp_path / "model")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    config, weights = whole["config.json"], whole["model.safetensors"]
    with stand_in_hub() as hub:
        hub.fails = {
            "POST /api/models/user/failing/commit/main": 500,
            "POST /api/models/user/cut/commit/main": "cut",
            "POST /api/models/user/refused/preupload/main": 503,
            "GET /user/cut/resolve/main/model.safetensors": "cut",
        }
        hub.files["user/half"] = {"config.json": config}  # an upload that ended in the middle
        hub.files["user/torn"] = {"config.json": config, "model.safetensors": weights[:5_000]}
        ended = python(FAIL, hub, tmp_path / "home")
        assert ended.returncode == 0, ended.stderr
        assert not hub.files["user/failing"]
    assert "Traceback" not in ended.stderr
    for name in ("refused", "failing", "cut"):
        assert f"aigc-tutorial: user/{name} could not be pushed to the Hugging" in ended.stderr
    cut, half, torn = ended.stdout.strip().splitlines()[-3:]
    assert cut.startswith("cut: FileNotFoundError: there is no folder user/cut, and the repository")
    assert half.startswith("half: FileNotFoundError:")
    assert "model.safetensors is damaged or no safetensors file" in torn


def test_what_is_pushed_is_loaded_by_its_name(tmp_path):
    with stand_in_hub() as hub:
        ended = python(LOAD, hub, tmp_path)
        assert ended.returncode == 0, ended.stderr + "\n".join(hub.asked)
        assert f"{hub.address}/user/digits" in ended.stdout
        assert "Traceback" not in ended.stderr
        assert "Invalid username or password" in ended.stderr
        assert "user/others" not in hub.files
        of_digits, of_bytes = hub.files["user/digits"], hub.files["user/bytes"]
    common = {"README.md", "card.json", "config.json", "model.safetensors"}
    assert of_digits.keys() - {".gitattributes"} == common
    assert of_bytes.keys() - {".gitattributes"} == common | {"tokenizer.json"}
    assert hub.private == {"user/digits": True, "user/bytes": False}
    assert hub.messages[0] == f"mnist-mlp-gan: {zoo.card('mnist-mlp-gan').title}"
    card = zoo.card("mnist-mlp-gan")
    assert of_digits["card.json"].decode() == card.to_json()
    assert of_digits["README.md"].decode() == zoo.model_card(card, "user/digits")


@pytest.mark.parametrize("name", zoo.names())
def test_the_page_says_what_the_card_says(name):
    from huggingface_hub import ModelCard

    card = zoo.card(name)
    page: Any = ModelCard(zoo.model_card(card, "user/model"))
    assert page.data.license == "mit"
    assert page.data.model_name == name
    by_name = {result.metric_type: result for result in page.data.eval_results}
    assert by_name.keys() == card.metrics.keys()
    for metric_name, metric in card.metrics.items():
        assert by_name[metric_name].metric_value == metric.value
        assert by_name[metric_name].dataset_name == metric.protocol
        assert metric.protocol in page.text
    assert card.notes in page.text
    assert f"{count_parameters(zoo.load(name)):,} parameters" in page.text
    lines = page.text.split("```")[1].removeprefix("python\n")
    imported: dict[str, object] = {}
    exec(lines.splitlines()[0], imported)  # what the page tells a reader to import is there
    assert card.model in imported


def test_what_is_no_repository_and_what_is_offline_is_told(monkeypatch):
    model, card = zoo.load("mnist-mlp-gan"), zoo.card("mnist-mlp-gan")
    for name in ("digits", "a/b/c", "./digits", "user/model.safetensors"):
        with pytest.raises(ValueError, match='a repository is named "user/model", got'):
            zoo.push_to_hub(model, name, card)
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    with pytest.raises(ConnectionError, match="user/digits is not pushed, since AIGC"):
        zoo.push_to_hub(model, "user/digits", card)


def test_what_cannot_be_saved_is_told_as_that_and_leaves_no_repository(monkeypatch):
    asked = []
    monkeypatch.setattr(PyTorchModelHubMixin, "push_to_hub", lambda *_, **__: asked.append(1))
    model, card = zoo.load("mnist-mlp-gan"), zoo.card("mnist-mlp-gan")
    with torch.no_grad():
        next(model.parameters())[0, 0] = torch.nan
    with pytest.raises(ValueError, match="the MLPGenerator is not saved: it has"):
        zoo.push_to_hub(model, "user/digits", card)
    config = ar.GPT2Config(256, context=4, n_layers=1, n_heads=1, width=4)
    of_gpt2 = dataclasses.replace(card, model="GPT2")
    with pytest.raises(KeyError, match="there is no page for a GPT2, only for ConvGenerator"):
        zoo.push_to_hub(ar.GPT2(config), "user/gpt2", of_gpt2, tokenizer=ByteTokenizer())
    assert not asked


def test_the_card_and_the_tokenizer_must_be_the_models():
    generator = zoo.load("mnist-mlp-gan")
    with pytest.raises(ValueError, match="the card is of a ConvGenerator, and the model a MLPGen"):
        zoo.push_to_hub(generator, "user/digits", zoo.card("mnist-conv-gan"))
    model = zoo.load("english-bytes")
    with pytest.raises(ValueError, match="is pushed with its tokenizer"):
        zoo.push_to_hub(model, "user/bytes", zoo.card("english-bytes"))
    other = zoo.tokenizer("english-subwords")
    with pytest.raises(ValueError, match="the model has 256 tokens and the tokenizer"):
        zoo.push_to_hub(model, "user/bytes", zoo.card("english-bytes"), tokenizer=other)
    assert torch.is_grad_enabled()
