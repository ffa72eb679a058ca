"""The 256 bytes of UTF-8 as tokens."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.tokenizers.base import Tokenizer, check_special_tokens, check_writable


@dataclass(frozen=True)
class ByteTokenizer(Tokenizer):
    """One token for each byte of the text in UTF-8: 256 tokens write every language.

    A model may stop in the middle of a character or put bytes together that make none. Each such
    piece is decoded as � (U+FFFD).

    Attributes:
        special_tokens: names from ``SPECIAL_TOKENS``; the first has the number 256.
    """

    kind: ClassVar[str] = "byte"

    special_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names."""
        object.__setattr__(self, "special_tokens", check_special_tokens(self.special_tokens))

    @property
    def n_ordinary(self) -> int:
        """The 256 bytes."""
        return 256

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        """One token for each byte.

        Raises:
            ValueError: at a lone surrogate, which no UTF-8 can write.
        """
        check_writable(text)
        return torch.tensor(list(text.encode("utf-8")), dtype=torch.int64)

    def _decode_ordinary(self, tokens: list[int]) -> str:
        return bytes(tokens).decode("utf-8", errors="replace")
