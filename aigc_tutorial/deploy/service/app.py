"""The service: which path answers what."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from aigc_tutorial import __version__
from aigc_tutorial.deploy.service import schema
from aigc_tutorial.deploy.service.completions import Answer, text_jobs
from aigc_tutorial.deploy.service.drawings import drawn, image_job
from aigc_tutorial.deploy.service.errors import ServiceError, closing, unexpected, unknown_model
from aigc_tutorial.deploy.service.guard import Guard
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.deploy.service.models import ImageModel, Models, Served, TextModel
from aigc_tutorial.deploy.service.page import PAGE, PAGE_HEADERS
from aigc_tutorial.deploy.service.worker import Worker

CREATED = 1_767_225_600
"""When the models were made, as OpenAI's API wants to know it: the first of January 2026."""
CLIENT_LEFT = 499
"""The status of an answer that nobody waits for, as servers write it into their logs."""


def create_app(
    models: Models,
    limits: Limits = Limits(),
    *,
    api_key: str | None = None,
    hosts: Collection[str] = (),
) -> FastAPI:
    """Make the service of some models, to be run by any ASGI server.

    Args:
        models: what is served, by name; :func:`aigc_tutorial.deploy.service.from_zoo` loads some.
            They are put into evaluation mode, and belong to the service from now on.
        limits: how much a client may ask for.
        api_key: what a client must know; None for nothing.
        hosts: the names under which the service answers; empty for all.

    Raises:
        ValueError: if there is no model.
    """
    if not models:
        raise ValueError("there is nothing to serve: models is empty")
    for served in models.values():
        served.model.eval()
    worker = Worker(models, limits)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            worker.close()

    app = FastAPI(
        title="aigc_tutorial",
        version=__version__,
        description="Texts and digits from small models, in the shape of OpenAI's API.",
        lifespan=lifespan,
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        responses={code: {"model": schema.Error} for code in (400, 401, 408, 413, 421, 500)},
    )
    app.state.worker = worker
    app.add_middleware(Guard, limits, worker.metrics, api_key, hosts)  # type: ignore[arg-type]
    _answer_errors(app)
    _add_information(app, models, worker)
    busy: dict[int | str, dict[str, Any]] = {
        code: {"model": schema.Error} for code in (404, 429, 503)
    }

    @app.post(
        "/v1/completions",
        response_model=schema.Completion,
        responses={200: {"content": {"text/event-stream": {}}}, **busy},
    )
    async def completions(body: schema.CompletionRequest, request: Request) -> Response:
        """Go on from a text, at once or as a stream."""
        served = _of_kind(TextModel, models, body.model)
        answer = Answer(body, text_jobs(body, served, limits), served)
        answer.submit(worker)
        if body.stream:
            return _Stream(answer.stream(), lambda: worker.cancel(answer.jobs))
        try:
            return await _unless_left(request, answer.whole())
        finally:
            worker.cancel(answer.jobs)

    @app.post("/v1/images/generations", response_model=schema.Images, responses=busy)
    async def images(body: schema.ImageRequest, request: Request) -> Response:
        """Draw digits."""
        served = _of_kind(ImageModel, models, body.model)
        return await _unless_left(request, drawn(image_job(body, served, limits), worker))

    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _add_information(app: FastAPI, models: Models, worker: Worker) -> None:
    """Add what says something about the service itself."""

    def card(name: str) -> dict[str, Any]:
        kind = "text" if isinstance(models[name], TextModel) else "image"
        known = {"object": "model", "created": CREATED, "owned_by": "aigc_tutorial"}
        return {"id": name, "kind": kind, **known}

    @app.get("/v1/models", response_model=schema.ModelList)
    async def list_models() -> Response:
        """All that can be asked for."""
        return _Json({"object": "list", "data": [card(name) for name in models]})

    @app.get(
        "/v1/models/{model}", response_model=schema.Model, responses={404: {"model": schema.Error}}
    )
    async def show_model(model: str) -> Response:
        """One of the models."""
        if model not in models:
            raise unknown_model(model, models)
        return _Json(card(model))

    @app.get("/health", response_model=schema.Health, responses={503: {"model": schema.Error}})
    async def health() -> Response:
        """Whether requests are answered."""
        if not worker.is_alive:
            raise closing()
        return _Json({"status": "ok", "jobs": worker.n_inside})

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """What Prometheus reads."""
        return Response(worker.metrics.as_text(), media_type=worker.metrics.content_type)

    @app.get("/", response_class=Response, responses={200: {"content": {"text/html": {}}}})
    async def page() -> Response:
        """A page that uses the service."""
        return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)


def _answer_errors(app: FastAPI) -> None:
    """Let every error have OpenAI's shape."""

    def as_response(error: ServiceError) -> Response:
        return _Json(error.as_json(), status_code=error.status, headers=error.headers)

    async def service_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)
        return as_response(error)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return as_response(_invalid(error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = f"{request.method} {request.url.path} is not answered: {error.detail}."
        return as_response(ServiceError(error.status_code, message, headers=error.headers))

    async def unforeseen(_request: Request, _error: Exception) -> Response:
        return as_response(unexpected())

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, unforeseen)


def _invalid(error: RequestValidationError) -> ServiceError:
    """The first thing that is wrong with a request's body, as a sentence."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"][1:]]
    if first["type"] == "json_invalid":
        return ServiceError(400, f"The body is no JSON: {first.get('ctx', {}).get('error')}.")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, schema.NotSupportedError):
        return ServiceError(400, f"{str(cause)[:1].upper()}{str(cause)[1:]}.", param=cause.field)
    what = first["msg"]
    if place[:1] == ["prompt"] and len(place) > 1:  # what pydantic says is of the first kind alone
        what = "expected is a text, its tokens (whole numbers from 0 on), or a list of either"
    if not place:
        return ServiceError(
            400,
            f"The request cannot be taken: {what}. Expected is a JSON object, with the header "
            "Content-Type: application/json.",
        )
    if first["type"] == "extra_forbidden":
        return ServiceError(
            400, f"There is no field {'.'.join(place)!r} here; is it mistyped?", param=place[0]
        )
    return ServiceError(400, f"The field {place[0]!r} cannot be taken: {what}.", param=place[0])


def _of_kind(kind: type[Any], models: Models, name: str) -> Any:
    """The model of this name.

    Raises:
        ServiceError: if there is none, or it makes something else.
    """
    served: Served | None = models.get(name)
    if served is None:
        raise unknown_model(name, models)
    if not isinstance(served, kind):
        path = "/v1/completions" if isinstance(served, TextModel) else "/v1/images/generations"
        raise ServiceError(400, f"{name} is asked at {path}.", param="model")
    return served


async def _unless_left(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    """Wait for a result, as long as the client does."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, leaving = asyncio.create_task(work), asyncio.create_task(left())
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        return _Json(task.result()) if task.done() else Response(status_code=CLIENT_LEFT)
    finally:
        task.cancel()
        leaving.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI schema without what FastAPI would answer to a wrong body: it is a 400 here."""
    document = FastAPI.openapi(app)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


class _Json(JSONResponse):
    """JSON in ASCII: half a character, of which a stranger's text may consist, is no UTF-8."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode("ascii")


class _Stream(StreamingResponse):
    """Server-sent events, after which something is done, whether or not the client has waited."""

    def __init__(self, events: AsyncIterator[bytes], afterwards: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._afterwards = afterwards

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._afterwards()
