"""How much one client may ask for, and all of them together."""

from dataclasses import dataclass

from aigc_tutorial.config import Config


@dataclass(frozen=True)
class Limits(Config):
    """What the service takes; beyond it a request is refused with a sentence.

    Attributes:
        max_tokens: New tokens of one sequence.
        max_rows: Sequences of one request: prompts times choices.
        max_images: Images of one request.
        max_batch: Sequences that a text model writes at a time; the next ones wait. A model of
            images makes one drawing at a time.
        max_queue: Sequences and drawings that may wait for one model; further ones get 429.
        max_body_bytes: Length of a request's body.
        body_seconds: How long a body may take to arrive.
    """

    max_tokens: int = 1024
    max_rows: int = 8
    max_images: int = 10
    max_batch: int = 16
    max_queue: int = 64
    max_body_bytes: int = 65_536
    body_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("max_tokens", "max_rows", "max_images", "max_batch", at_least=1)
        self.require("max_queue", at_least=0)
        self.require("max_body_bytes", at_least=1)
        self.require("body_seconds", above=0)
        if self.max_rows > self.max_batch + self.max_queue:
            raise ValueError(
                f"max_rows must be at most max_batch + max_queue = {self.max_batch} + "
                f"{self.max_queue}, or a request would never find room, got {self.max_rows}"
            )
