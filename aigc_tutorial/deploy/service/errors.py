"""Errors in the shape that OpenAI's clients read, each a sentence that says what to do."""

from collections.abc import Mapping
from typing import Any

INVALID = "invalid_request_error"
SERVER = "server_error"


class ServiceError(Exception):
    """What the service answers with instead of a result.

    Attributes:
        status: of HTTP.
        message: what was wrong and what to do.
        kind: OpenAI's ``type``: "invalid_request_error" where the client is to change something.
        param: the field of the request that is meant, if it is one.
        code: a word that programs can look at, where OpenAI's API has one.
        headers: of the response, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def as_json(self) -> dict[str, Any]:
        """The body of the response."""
        named = {"type": self.kind, "param": self.param, "code": self.code}
        return {"error": {"message": self.message, **named}}


def unknown_model(name: str, names: Mapping[str, Any]) -> ServiceError:
    """The error for a model that is not served here."""
    message = f"There is no model {name!r} here; there are: {', '.join(names)}."
    return ServiceError(404, message, param="model", code="model_not_found")


def too_busy(seconds: int) -> ServiceError:
    """The error for a request that finds no room in the queue."""
    return ServiceError(
        429,
        f"The queue is full. Try again in {seconds} s, as Retry-After says too.",
        kind="rate_limit_error",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(seconds)},
    )


def closing() -> ServiceError:
    """The error for a request that comes while the service ends."""
    message = "The service is being shut down and takes no further requests; try again later."
    return ServiceError(503, message, kind=SERVER, headers={"Retry-After": "5"})


def model_failed(name: str, reason: str) -> ServiceError:
    """The error where a model gave nothing usable; the request is not to blame."""
    message = f"The model {name} failed: {reason}. The request is not to blame; tell whoever runs "
    return ServiceError(500, message + "this service.", kind=SERVER, code="model_failed")


def unexpected() -> ServiceError:
    """The error for what nobody has thought of."""
    message = "The service failed at this request, which is a fault of its own; its log says more."
    return ServiceError(500, message, kind=SERVER)
