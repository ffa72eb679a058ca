"""Who is let in, and with how much."""

import asyncio
import socket
import time
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from aigc_tutorial.deploy.service import Limits, create_app
from tests.deploy.service.live import running
from tests.deploy.service.small import writer

KEY = "a-key-of-many-letters"


@pytest.fixture(scope="module")
def locked():
    app = create_app({"writer": writer()}, Limits(), api_key=KEY, hosts=("127.0.0.1", "[::1]"))
    with running(app) as address:
        yield address


def error_of(response: httpx.Response) -> dict:
    assert response.headers["content-type"] == "application/json"
    (name, value), = response.json().items()  # fmt: skip
    assert name == "error"
    assert value.keys() == {"message", "type", "param", "code"}
    assert value["message"].endswith((".", "?", "too."))
    return value


def test_a_key_is_wanted_for_all_but_the_page_and_the_pulse(locked):
    for path in ("/", "/health"):
        assert httpx.get(locked + path).status_code == 200
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
        response = httpx.get(locked + path)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert error_of(response)["code"] == "invalid_api_key"


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", "Bearer \xe9"])
def test_another_key_is_none(locked, given):
    headers = {b"authorization": given.encode()}
    assert httpx.get(f"{locked}/v1/models", headers=headers).status_code == 401


def test_openai_s_client_brings_the_key(locked):
    with openai.OpenAI(base_url=f"{locked}/v1", api_key=KEY, max_retries=0) as client:
        assert client.completions.create(model="writer", prompt="ab").choices[0].text
    with (
        openai.OpenAI(base_url=f"{locked}/v1", api_key="another", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match=r"wants an API key.* has another one"),
    ):
        client.models.list()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:1"])
def test_a_foreign_name_is_not_answered_to(locked, host):
    response = httpx.get(f"{locked}/health", headers={"host": host})
    assert response.status_code == 421
    assert "does not answer to the name" in error_of(response)["message"]
    assert httpx.get(f"{locked}/health", headers={"host": "[::1]:8000"}).status_code == 200


def test_a_body_that_is_too_long_is_not_read(http):
    for settings in ({"content": b"x" * 5001}, {"content": iter([b"x" * 2000] * 3)}):
        response = http.post("/v1/completions", **settings)
        assert response.status_code == 413
        assert "longer than the 5000 bytes" in error_of(response)["message"]
    body = b'{"model": "writer", "prompt": "ab"}'.ljust(5000)
    headers = {"content-type": "application/json"}
    assert http.post("/v1/completions", content=body, headers=headers).status_code == 200


def test_a_body_that_trickles_in_is_given_up():
    app = create_app({"writer": writer()}, Limits(body_seconds=0.3))
    with running(app) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.settimeout(10)
            head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
            client.sendall(head.encode())
            started = time.monotonic()
            answer = client.recv(4096)
            assert time.monotonic() - started < 8
            assert answer.startswith(b"HTTP/1.1 408")
            while part := client.recv(4096):
                answer += part
            assert b"did not arrive within 0.3 s" in answer


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b'"x"', b"\xff\xfe", b"[" * 3000, b"NaN"]
)
def test_what_is_no_request_is_told(http, content):
    for path in ("/v1/completions", "/v1/images/generations"):
        for headers in ({"content-type": "application/json"}, {}):
            response = http.post(path, content=content, headers=headers)
            assert response.status_code == 400
            error_of(response)


def test_half_a_character_is_no_text(http):
    headers = {"content-type": "application/json"}
    for field in (b"model", b"prompt"):
        asked = {b"model": b"writer", b"prompt": b"ab"} | {field: b"\\ud800"}
        body = b"{%s}" % b", ".join(b'"%s": "%s"' % pair for pair in asked.items())
        response = http.post("/v1/completions", content=body, headers=headers)
        assert response.status_code == 400
        assert error_of(response)["param"] == field.decode()


def test_unknown_paths_and_methods_are_told(http):
    assert error_of(http.get("/v2"))["message"] == "GET /v2 is not answered: Not Found."
    response = http.get("/v1/completions")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    error_of(response)


def test_what_was_answered_is_counted_by_route_and_not_by_path(http):
    for name in ("writer", "made-up-1", "made-up-2"):
        http.get(f"/v1/models/{name}")
    http.get("/made/up/3")
    text = http.get("/metrics").text
    assert 'aigc_requests_total{path="/v1/models/{model}",status="404"}' in text
    assert 'aigc_requests_total{path="other",status="404"}' in text
    assert "made" not in text


def test_a_fault_that_nobody_has_thought_of_is_counted_too():
    app = create_app({"writer": writer()})
    app.add_api_route("/fault", lambda: 1 / 0)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> tuple[httpx.Response, str]:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/fault"), (await client.get("/metrics")).text

    response, text = asyncio.run(ask())
    assert response.status_code == 500
    assert "which is a fault of its own" in error_of(response)["message"]
    assert 'aigc_requests_total{path="/fault",status="500"} 1.0' in text


@pytest.mark.parametrize("prompt", [[-1], [1.5], [True], ["a", 1], [[]], [[1], "a"]])
def test_what_a_prompt_can_be_is_told(http, prompt):
    response = http.post("/v1/completions", json={"model": "writer", "prompt": prompt})
    assert response.status_code == 400
    assert "expected is a text, its tokens (whole numbers" in error_of(response)["message"]


def test_times_and_batches_are_measured(http):
    def numbers() -> dict[str, float]:
        lines = [line for line in http.get("/metrics").text.splitlines() if line[0] != "#"]
        return {name: float(number) for name, number in (line.rsplit(" ", 1) for line in lines)}

    body = {"model": "writer", "prompt": ["a", "b"], "max_tokens": 7}
    http.post("/v1/completions", json=body)
    before = numbers()
    http.post("/v1/completions", json=body)
    after = numbers()
    more = {name: after[name] - before[name] for name in before}
    label = '{model="writer"}'
    assert more[f"aigc_tokens_total{label}"] == more[f"aigc_batch_rows_sum{label}"] == 14
    assert more[f"aigc_time_to_first_token_seconds_count{label}"] == 2
    assert more[f"aigc_inter_token_seconds_count{label}"] == 12
    assert more[f"aigc_job_seconds_count{label}"] == 2
    assert more["aigc_inside_seconds_total"] == pytest.approx(
        more[f"aigc_job_seconds_sum{label}"], abs=0.01
    )
    assert (after["aigc_waiting"], after["aigc_running"]) == (0, 0)


def test_the_schema_says_what_is_answered(http):
    document = http.get("/openapi.json").json()
    operation = document["paths"]["/v1/completions"]["post"]
    assert {"200", "400", "404", "429"} <= operation["responses"].keys()
    assert "422" not in str(document["paths"])
