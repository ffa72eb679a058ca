"""The service as a program: settings, a real process, an orderly end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from aigc_tutorial.deploy import service
from aigc_tutorial.deploy.service import Limits, ServiceConfig
from aigc_tutorial.deploy.service.run import KEY_VARIABLE, is_loopback, make_app, servable
from tests.deploy.service.live import running

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
from aigc_tutorial.deploy import service
service.serve(service.ServiceConfig(models=("english-bytes",), port=0))
"""


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_what_is_reached_from_this_machine_alone(host, is_local):
    assert is_loopback(host) == is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_elsewhere_a_key_is_wanted(host, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(ValueError, match=f"wants an API key: set {KEY_VARIABLE}"):
        service.serve(ServiceConfig(host=host, models=("mnist-conv-gan",)))
    monkeypatch.setenv(KEY_VARIABLE, "x" * 16)
    assert make_app(ServiceConfig(host=host, models=("mnist-conv-gan",)))


@pytest.mark.parametrize("key", ["", " ", "short", "has spaces in it, many", "schlüssel" * 2])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_key_of_the_environment_that_is_none_is_told_and_nothing_is_open(host, key, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(ValueError, match=f"{KEY_VARIABLE} must have at least 16") as caught:
        make_app(ServiceConfig(host=host, models=("mnist-conv-gan",)))
    assert key.strip() == "" or key not in str(caught.value)


def test_a_key_of_the_environment_may_end_in_a_line_break(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "x" * 16 + "\n")
    with running(make_app(ServiceConfig(models=("mnist-mlp-gan",)))) as url:
        headers = {"Authorization": f"Bearer {'x' * 16}"}
        assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 200
        assert httpx.get(f"{url}/v1/models").status_code == 401


def test_at_every_address_of_this_machine_it_answers_to_that_address(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with running(make_app(ServiceConfig(host="127.0.0.2", models=("mnist-mlp-gan",)))) as url:
        for host, status in (("127.0.0.2:8000", 200), ("localhost", 200), ("127.0.0.3", 421)):
            assert httpx.get(f"{url}/health", headers={"host": host}).status_code == status


@pytest.mark.parametrize("host", ["https://example.org", "example.org:443", "::1", "*", ""])
def test_a_host_that_no_request_could_name_is_told(host):
    with pytest.raises(ValueError, match=r"hosts must be names as they stand in an address"):
        ServiceConfig(hosts=("example.org", "[::1]", host))


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"those that write or draw, .*; got mnist-classifier"):
        ServiceConfig(models=("mnist-classifier", "english-bytes"))
    with pytest.raises(ValueError, match="at least 16 characters"):
        ServiceConfig(api_key="short")
    with pytest.raises(ValueError, match="port must be at least 0 and at most 65535"):
        ServiceConfig(port=65_536)
    with pytest.raises(ValueError, match=r"max_batch \+ max_queue = 1 \+ 2"):
        Limits(max_rows=4, max_batch=1, max_queue=2)
    assert "secret" not in repr(ServiceConfig(api_key="secret-of-many-letters"))


def test_all_models_that_write_or_draw_are_served():
    assert {"english-bytes", "mnist-conditional-gan", "mnist-pixelcnn"} < {*servable()}
    assert [*service.from_zoo(servable()[:2])] == [*servable()[:2]]
    with pytest.raises(ValueError, match="mnist-classifier is a DigitClassifier, which neither"):
        service.from_zoo(["mnist-classifier"])
    with pytest.raises(ValueError, match="nothing to serve"):
        service.create_app({})


def test_what_the_extra_brings_is_loaded_when_it_is_used():
    program = (
        "import sys; from aigc_tutorial.deploy import service; service.ServiceConfig();"
        "print({'fastapi', 'uvicorn', 'httpx', 'matplotlib'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"
    with pytest.raises(AttributeError, match="no attribute 'serves'"):
        service.serves  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_told_to_end_it_lets_those_who_wait_have_their_answers(tmp_path):
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=file, env=environment)
    try:
        ends = time.monotonic() + 120
        while not (found := re.search(r"running on (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends
            time.sleep(0.05)
        url = found[1]
        assert url.startswith("http://127.0.0.1:")
        body = {"model": "english-bytes", "prompt": "The ", "max_tokens": 300, "stream": True}
        with (
            httpx.Client(base_url=url, timeout=60) as client,
            client.stream("POST", "/v1/completions", json=body) as response,
        ):
            lines = response.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            text = "\n".join(lines)
        assert text.rstrip().endswith("data: [DONE]")
        assert '"finish_reason": "length"' in text
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
