"""Ctrl-C as a request: the step is ended and the checkpoint written before the run stops.

A second Ctrl-C does not wait. One that comes within a second is the first again: a launcher such as
``torchrun`` hears the terminal too, and passes on to its processes what they have heard.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SAME_SECONDS = 1.0


class TrainingInterrupted(KeyboardInterrupt):
    """A run has stopped because the user asked, and the message says from where it can go on."""


class StopRequest:
    """Whether the user has asked a run to stop.

    Attributes:
        is_made: it was asked.
    """

    def __init__(self) -> None:
        self.is_made = False
        self._made_at = 0.0

    def _take(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.is_made:
            self.is_made, self._made_at = True, now
        elif now - self._made_at > _SAME_SECONDS:
            raise KeyboardInterrupt


@contextmanager
def stop_requests(*, is_heard: bool) -> Iterator[StopRequest]:
    """Take the first Ctrl-C as a request, and the second as Python does, as a KeyboardInterrupt.

    Only the main thread hears signals, and a program that has a handler of its own for this one
    keeps it; there the request is never made.

    Args:
        is_heard: whether the run can do with a request; if not, nothing is changed.
    """
    request = StopRequest()
    is_main_thread = threading.current_thread() is threading.main_thread()
    before: Any = signal.getsignal(signal.SIGINT) if is_main_thread else None
    if not is_heard or before is not signal.default_int_handler:
        yield request
        return
    signal.signal(signal.SIGINT, request._take)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
