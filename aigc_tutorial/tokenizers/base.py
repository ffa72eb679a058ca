"""What all tokenizers share: numbers for special tokens, checks, and a file to keep them in.

A token that stands for no text is *special*: ``bos`` before a text, ``eos`` after it, ``pad`` where
a batch has room left. :meth:`Tokenizer.encode` never makes them, whatever the text says, so a text
cannot pretend to have ended; they are put in by their numbers, ``tokenizer.bos_id`` and so on.
:meth:`Tokenizer.decode` passes over them.
"""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.files import replace_file
from aigc_tutorial.integers import IntegersLike, as_int64

SPECIAL_TOKENS = ("bos", "eos", "pad")
REPLACEMENT = "\ufffd"
"""What stands in decoded text for what cannot be shown: �."""
SUM_NAME = "sha256"
"""The entry of a saved tokenizer that holds the sum of the others."""


class Tokenizer(ABC):
    """What every tokenizer of this package can do.

    A subclass is a frozen dataclass: its fields are all there is to save. Ordinary tokens come
    first, the special ones last, in the order of ``special_tokens``.
    """

    # Where a run-time type checker is at work, as in the tests, it leaves the fields to the class.
    __no_type_check__ = True

    kind: ClassVar[str]
    special_tokens: tuple[str, ...]

    @property
    @abstractmethod
    def n_ordinary(self) -> int:
        """Number of tokens that stand for text; they are 0 … n_ordinary - 1."""

    @abstractmethod
    def encode(self, text: str) -> Int64[Tensor, " T"]:
        """Tokens of a text, without special ones. An empty text has none.

        Raises:
            ValueError: if the tokenizer cannot write a character; the message says which and where.
        """

    def prompt(self, text: str) -> Int64[Tensor, " T"]:
        """Tokens of a text for a model to go on from: those of ``encode``, after ``bos`` if any.

        A model that was trained on texts with a token for the beginning has never seen one without.
        """
        tokens = self.encode(text)
        if self.bos_id is None:
            return tokens
        return torch.cat([tokens.new_tensor([self.bos_id]), tokens])

    @abstractmethod
    def _decode_ordinary(self, tokens: list[int]) -> str:
        """Text of tokens that are all below ``n_ordinary``."""

    def decode(self, tokens: Int64[Tensor, " T"] | IntegersLike) -> str:
        """Text of the tokens; special ones stand for no text.

        Args:
            tokens: of one text: a vector, in a tensor, a NumPy array or a list; or a single token.

        Raises:
            ValueError: if a token is outside the vocabulary, or there is a batch of texts.
        """
        vector = as_int64(tokens, "tokens")
        if vector.ndim > 1:
            raise ValueError(
                f"expected the tokens of one text, got a batch of shape {tuple(vector.shape)}; "
                "decode row by row: [tokenizer.decode(row) for row in tokens]"
            )
        values = vector.reshape(-1).tolist()
        if values and not 0 <= min(values) <= max(values) < self.vocab_size:
            raise ValueError(
                f"tokens must lie in 0 … {self.vocab_size - 1}, got {min(values)} … {max(values)}; "
                "were they made with another tokenizer?"
            )
        return self._decode_ordinary([value for value in values if value < self.n_ordinary])

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens, special ones included."""
        return self.n_ordinary + len(self.special_tokens)

    @property
    def bos_id(self) -> int | None:
        """The token before a text; None if this tokenizer has none."""
        return self._special_id("bos")

    @property
    def eos_id(self) -> int | None:
        """The token after a text; None if this tokenizer has none."""
        return self._special_id("eos")

    @property
    def pad_id(self) -> int | None:
        """The token that fills the room left in a batch; None if this tokenizer has none."""
        return self._special_id("pad")

    def to_dict(self) -> dict[str, Any]:
        """Kind and fields, ready for JSON; ``tokenizer_from_dict`` reads them."""
        return {"kind": self.kind, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    def save(self, path: str | Path) -> None:
        """Write a JSON file, whole or not at all; ``load_tokenizer`` reads it.

        The file holds the sum of its content too, so that damage is found.
        """
        values = self.to_dict()
        with replace_file(path) as temporary:
            text = json.dumps({**values, SUM_NAME: sum_of(values)}, ensure_ascii=False, indent=1)
            temporary.write_text(text + "\n", encoding="utf-8")

    def _special_id(self, name: str) -> int | None:
        if name not in self.special_tokens:
            return None
        return self.n_ordinary + self.special_tokens.index(name)


def sum_of(values: dict[str, Any]) -> str:
    """SHA-256 of what :meth:`Tokenizer.to_dict` gave, of one that went through JSON too."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def check_special_tokens(names: Any) -> tuple[str, ...]:
    """Refuse names that are unknown or repeated; a list becomes a tuple, as it is after loading."""
    if not isinstance(names, tuple | list):
        raise ValueError(f"expected special_tokens as a tuple of names, got {names!r}")
    if len(set(names)) < len(names) or not set(names) <= set(SPECIAL_TOKENS):
        raise ValueError(
            f"special_tokens is {names}; expected each at most once of {', '.join(SPECIAL_TOKENS)}"
        )
    return tuple(names)


def check_text(text: Any, name: str = "text") -> None:
    """Refuse what is no text, such as a list of texts."""
    if not isinstance(text, str):
        raise ValueError(f"expected {name} as a string, got {type(text).__name__}")


def check_writable(text: str) -> None:
    """Refuse lone surrogates: halves of a character that are no text by themselves."""
    check_text(text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{describe_character(text, error.start)} is a lone surrogate, half of a character; "
            "read the text with the right encoding"
        ) from None


def describe_character(text: str, position: int) -> str:
    """Name a character and its place, for an error."""
    return f"{text[position]!r} (U+{ord(text[position]):04X}) at position {position}"
