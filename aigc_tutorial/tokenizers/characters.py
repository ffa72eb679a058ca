"""One token for each character of an alphabet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.tokenizers.base import (
    REPLACEMENT,
    Tokenizer,
    check_special_tokens,
    check_text,
    check_writable,
    describe_character,
)


@dataclass(frozen=True)
class CharacterTokenizer(Tokenizer):
    """One token for each character of an alphabet, in the alphabet's order.

    >>> tokenizer = CharacterTokenizer.from_text("to be or not to be")
    >>> tokenizer.alphabet, tokenizer.encode("bee").tolist()
    (' benort', [1, 2, 2])

    Attributes:
        alphabet: the characters, each once.
        special_tokens: names from ``SPECIAL_TOKENS``.
        unknown: whether there is one more token, after the alphabet, for all other characters. It
            is decoded as � (U+FFFD). Without it, another character is an error.
    """

    kind: ClassVar[str] = "character"

    alphabet: str
    special_tokens: tuple[str, ...] = ()
    unknown: bool = False

    def __post_init__(self) -> None:
        """Check that each character is there once."""
        object.__setattr__(self, "special_tokens", check_special_tokens(self.special_tokens))
        check_writable(self.alphabet)
        if not isinstance(self.unknown, bool):  # saved, it could not be loaded
            raise ValueError(f"expected unknown as True or False, got {self.unknown!r}")
        if len(set(self.alphabet)) < len(self.alphabet):
            repeated = sorted({c for c in self.alphabet if self.alphabet.count(c) > 1})
            raise ValueError(
                f"the alphabet repeats {''.join(repeated)!r}; give each character once"
            )

    @classmethod
    def from_text(
        cls, text: str, *, special_tokens: Sequence[str] = (), unknown: bool = False
    ) -> "CharacterTokenizer":
        """The tokenizer whose alphabet is the text's characters, sorted.

        Raises:
            ValueError: if ``text`` is not one string; join several: ``"".join(texts)``.
        """
        check_text(text)
        return cls("".join(sorted(set(text))), tuple(special_tokens), unknown)

    @property
    def n_ordinary(self) -> int:
        """The alphabet, and the token for all other characters if there is one."""
        return len(self.alphabet) + int(self.unknown)

    @property
    def unknown_id(self) -> int | None:
        """The token for characters that the alphabet lacks; None if they are an error."""
        return len(self.alphabet) if self.unknown else None

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        """One token for each character.

        Raises:
            ValueError: at a character that is not in the alphabet, unless ``unknown`` is set.
        """
        check_text(text)
        if self.unknown:
            unknown_id = len(self.alphabet)
            tokens = [self._id_of.get(character, unknown_id) for character in text]
            return torch.tensor(tokens, dtype=torch.int64)
        try:
            return torch.tensor([self._id_of[character] for character in text], dtype=torch.int64)
        except KeyError as error:
            where = describe_character(text, text.index(error.args[0]))
            raise ValueError(
                f"{where} is not among the {len(self.alphabet)} characters of the alphabet; "
                "leave it out, or make the tokenizer with unknown=True"
            ) from None

    def _decode_ordinary(self, tokens: list[int]) -> str:
        characters = self.alphabet + REPLACEMENT * self.unknown
        return "".join([characters[token] for token in tokens])

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {character: i for i, character in enumerate(self.alphabet)}
