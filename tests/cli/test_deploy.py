"""Export, service and measurement from the command line."""

from typing import Any

import pytest

from aigc_tutorial import cli, deploy, zoo
from aigc_tutorial.deploy import service


def test_a_model_is_exported_and_loaded_without_its_code(tmp_path, say):
    pytest.importorskip("onnx")
    folder = tmp_path / "out"
    code, printed, complained = say(f"export mnist-mlp-gan {folder}")
    assert (code, complained) == (0, "")
    assert printed.startswith("Exported MLPGenerator(z: float32 (batch, 100))")
    assert f"{folder / 'model.onnx'}, model.pt2: model, differs from the model by " in printed
    latents = zoo.load("mnist-mlp-gan").sample_latent(3)
    assert deploy.load(folder)(latents).shape == (3, 1, 28, 28)


def test_a_strangers_file_is_not_replaced(tmp_path, say):
    pytest.importorskip("onnx")
    (tmp_path / "model.onnx").write_text("somebody's")
    code, _, complained = say(f"export mnist-mlp-gan {tmp_path}")
    assert code == 1
    assert complained.startswith("aigc-tutorial: ")
    assert (tmp_path / "model.onnx").read_text() == "somebody's"


def test_the_flags_of_serve_are_the_service_s_settings(monkeypatch, say):
    asked: list[service.ServiceConfig] = []
    monkeypatch.setattr(service, "serve", asked.append)
    line = "serve --models mnist-conv-gan --port 0 --limits.max-tokens 9 --drain-seconds 2"
    assert say(line) == (0, "", "")
    (config,) = asked
    assert (config.models, config.port, config.drain_seconds) == (("mnist-conv-gan",), 0, 2)
    assert config.limits.max_tokens == 9


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("serve --models mnist-classifier", "models must be of those that write or draw"),
        ("serve --port 70000", "port must be at least 0 and at most 65535, got 70000"),
        ("serve --limits.max-batch 0", "max_batch"),
        ("bench --seconds 0", "seconds must be above 0"),
    ],
)
def test_settings_that_will_not_do_are_told(line, told, say):
    code, _, complained = say(line)
    assert code == 2
    assert told in complained
    assert complained.count("\n") == 1


def test_an_open_service_wants_a_key(monkeypatch, say):
    pytest.importorskip("fastapi")
    monkeypatch.delenv("AIGC_TUTORIAL_API_KEY", raising=False)
    code, _, complained = say("serve --host 0.0.0.0 --models mnist-conv-gan")
    assert code == 1
    assert "so it wants an API key: set AIGC_TUTORIAL_API_KEY" in complained


def test_a_service_that_is_not_there_is_told(say):
    pytest.importorskip("httpx")
    code, _, complained = say("bench --url http://127.0.0.1:9 --concurrency 1 --seconds 0.1")
    assert code == 1
    assert "does not answer" in complained
    assert "is it running? aigc-tutorial serve" in complained


def test_what_was_measured_is_printed(monkeypatch, say):
    monkeypatch.setattr(service, "bench", lambda config: f"{config.concurrency} clients")
    assert say("bench --concurrency 1 8")[1] == "(1, 8) clients\n"
    command: Any = cli.parse(["bench"])
    assert command.config == service.BenchConfig()
