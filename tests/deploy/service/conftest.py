"""One service of small models for all tests that only ask."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from aigc_tutorial.deploy.service import Limits, create_app
from tests.deploy.service.live import running
from tests.deploy.service.small import broken_writer, generator, painter, parrot, writer

LIMITS = Limits(max_tokens=400, max_rows=6, max_batch=8, max_queue=8, max_body_bytes=5000)


def models() -> dict[str, Any]:
    return {
        "writer": writer(),
        "parrot": parrot("déjà 東京 🎉 one two three "),
        "broken": broken_writer(),
        "painter": painter(),
        "generator": generator(),
    }


@pytest.fixture(scope="session")
def app() -> Any:
    return create_app(models(), LIMITS)


@pytest.fixture(scope="session")
def url(app: Any) -> Iterator[str]:
    with running(app) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none is wanted", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_stays_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that asks the service, nothing is inside."""
    yield
    if "url" in request.fixturenames:
        worker = request.getfixturevalue("app").state.worker
        for _ in range(500):
            if worker.n_inside == 0:
                return
            worker._thread.join(0.01)
        pytest.fail(f"{worker.n_inside} jobs stayed behind")
