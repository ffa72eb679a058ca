"""From a request for text to jobs, and from their steps to a response."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import torch

from aigc_tutorial.ar.generation.reader import as_prompts
from aigc_tutorial.deploy.service.errors import ServiceError
from aigc_tutorial.deploy.service.jobs import Step, TextJob
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.deploy.service.models import TextModel
from aigc_tutorial.deploy.service.schema import CompletionRequest
from aigc_tutorial.deploy.service.worker import Worker

DEFAULT_TOKENS = 16
"""New tokens where the request does not say, as at OpenAI."""


def generator(seed: int | None, index: int) -> torch.Generator:
    """The source of randomness of a request's job number ``index``.

    Choice i of seed s is choice 0 of seed s + i. Without a seed it is as good as any other.
    """
    start = secrets.randbits(63) if seed is None else seed
    return torch.Generator().manual_seed((start + index) % 2**63)


def text_jobs(request: CompletionRequest, served: TextModel, limits: Limits) -> list[TextJob]:
    """The sequences that a request asks for: ``n`` of each prompt.

    Raises:
        ServiceError: if it asks for more than there is, or a prompt is none for this model.
    """
    prompts = [_tokens(prompt, served) for prompt in _prompts(request.prompt)]
    n, max_tokens = request.n or 1, request.max_tokens or DEFAULT_TOKENS
    if n * len(prompts) > limits.max_rows:
        raise ServiceError(
            400,
            f"The request asks for {n * len(prompts)} sequences, prompts times n, and at most "
            f"{limits.max_rows} are written at once; send several requests.",
            param="n",
        )
    if max_tokens > limits.max_tokens:
        raise ServiceError(
            400,
            f"max_tokens is {max_tokens}, and at most {limits.max_tokens} are written here.",
            param="max_tokens",
        )
    if request.stream_options is not None and not request.stream:
        message = "stream_options are of a stream; ask for it with stream: true, or leave them out."
        raise ServiceError(400, message, param="stream_options")
    stops = request.stop or []
    temperature = 1.0 if request.temperature is None else request.temperature
    return [
        TextJob(
            model=request.model,
            index=index,
            prompt=prompts[index // n],
            max_new_tokens=max_tokens,
            temperature=temperature,
            top_p=request.top_p or 1.0,
            stops=(stops,) if isinstance(stops, str) else tuple(stops),
            rng=generator(request.seed, index),
        )
        for index in range(n * len(prompts))
    ]


def _prompts(prompt: Any) -> list[Any]:
    """A list of prompts, each a text or tokens."""
    is_one = isinstance(prompt, str) or isinstance(prompt[0], int)
    return [prompt] if is_one else list(prompt)


def _tokens(prompt: str | list[int], served: TextModel) -> list[int]:
    try:
        given = served.tokenizer.prompt(prompt) if isinstance(prompt, str) else prompt
        n_tokens, context = len(given), served.model.context
        if n_tokens == 0:
            raise ServiceError(
                400,
                "The prompt is empty, and nothing follows from nothing here; begin with a newline.",
                param="prompt",
            )
        if context is not None and n_tokens > context:
            raise ServiceError(
                400,
                f"The prompt has {n_tokens} tokens, and this model reads at most {context}; give "
                "the end of it alone.",
                param="prompt",
                code="context_length_exceeded",
            )
        tokens: list[int] = as_prompts(served.model, given, n_dims=(1,)).tolist()
    except ValueError as error:
        message = f"The prompt cannot be read: {error}."
        raise ServiceError(400, message, param="prompt") from error
    return tokens


class Answer:
    """A request's jobs at work, and what of their texts has come so far.

    Attributes:
        jobs: what the worker does; whoever submits them must cancel them in the end.

    Args:
        request: what was asked.
        jobs: from :func:`text_jobs`.
        served: the model and its tokenizer.
    """

    def __init__(
        self, request: CompletionRequest, jobs: Sequence[TextJob], served: TextModel
    ) -> None:
        self._request = request
        self.jobs = jobs
        self._inbox: asyncio.Queue[tuple[int, Step]] = asyncio.Queue()
        self._id = f"cmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._n_drawn = 0
        n = request.n or 1
        self._n_given = sum(len(job.prompt) for job in jobs[::n])
        echoes = [served.tokenizer.decode(job.prompt) if request.echo else "" for job in jobs]
        self._echoes = dict(enumerate(echoes))

    def submit(self, worker: Worker) -> None:
        """Let the worker begin.

        Raises:
            ServiceError: if there is no room.
        """
        for job in self.jobs:
            job.inbox, job.loop = self._inbox, asyncio.get_running_loop()
        worker.submit(self.jobs)

    async def whole(self) -> dict[str, Any]:
        """The response, when all is written.

        Raises:
            ServiceError: if the model fails.
        """
        texts = [""] * len(self.jobs)
        reasons: list[str | None] = [None] * len(self.jobs)
        async for index, step in self._steps():
            texts[index] += step.text
            reasons[index] = step.finish
        choices = [
            self._choice(i, text, reason)
            for i, (text, reason) in enumerate(zip(texts, reasons, strict=True))
        ]
        return self._response(choices, usage=self._usage())

    async def stream(self) -> AsyncIterator[bytes]:
        """The response as server-sent events, piece by piece."""
        options = self._request.stream_options
        with_usage = options is not None and bool(options.include_usage)
        more: dict[str, Any] = {"usage": None} if with_usage else {}
        try:
            async for index, step in self._steps():
                if step.text or step.finish:
                    choice = self._choice(index, step.text, step.finish)
                    yield _event(self._response([choice], **more))
            if with_usage:
                yield _event(self._response([], usage=self._usage()))
            yield b"data: [DONE]\n\n"
        except ServiceError as error:  # the status has been sent: an event has to say it
            yield _event(error.as_json())

    async def _steps(self) -> AsyncIterator[tuple[int, Step]]:
        """Steps of all jobs until the last has ended; those that wait together come as one."""
        n_left = len(self.jobs)
        while n_left:
            arrived = [await self._inbox.get()]
            while not self._inbox.empty():
                arrived.append(self._inbox.get_nowait())
            joined: dict[int, Step] = {}
            for index, step in arrived:
                if step.error is not None:
                    raise step.error
                self._n_drawn += step.n_tokens
                n_left -= step.is_last
                before = joined.get(index, Step(self._echoes.pop(index, "")))
                joined[index] = Step(before.text + step.text, finish=step.finish)
            for pair in joined.items():
                yield pair

    def _usage(self) -> dict[str, int]:
        numbers = {"prompt_tokens": self._n_given, "completion_tokens": self._n_drawn}
        return {**numbers, "total_tokens": sum(numbers.values())}

    def _choice(self, index: int, text: str, reason: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}

    def _response(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._request.model,
            "choices": choices,
            **more,
        }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode("ascii") + b"\n\n"
