"""Requests made up from the service's own description, and from its opposite."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    allow_header_conformance,
]
MODELS = {"/v1/completions": ("writer", "parrot"), "/v1/images/generations": ("painter",)}


def asks(operation: Any, mode: GenerationMode, seen: set[int]) -> Callable[[], None]:
    """A test of one operation, which notes the answers' status."""
    names = cycle(MODELS.get(operation.path, ("writer",)))

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=60 if operation.path in MODELS else 10,
        phases=(Phase.generate,),  # what fails is looked at, and need not be the least
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        body = case.body
        if isinstance(body, dict) and isinstance(body.get("model"), str):
            body["model"] = next(names)  # else all of them would be unknown
        if isinstance(body, dict) and isinstance(body.get("max_tokens"), int):
            body["max_tokens"] = min(body["max_tokens"], 20)
        seen.add(case.call_and_validate(checks=CHECKS, timeout=30).status_code)

    test: Callable[[], None] = ask
    return test


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_makes_the_service_fail(url, mode):
    """No 5xx, and every answer is one that the description tells of."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found: list[Any] = list(schema.get_all_operations())
    operations = [operation.ok() for operation in found]
    seen: dict[str, set[int]] = {operation.path: set() for operation in operations}
    assert seen.keys() > MODELS.keys()
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and operation.path not in MODELS:
            continue  # without a body there is no opposite
        asks(operation, mode, seen[operation.path])()
    for path in MODELS:
        assert (200 if mode is GenerationMode.POSITIVE else 400) in seen[path]
