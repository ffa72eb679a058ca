"""Byte pair encoding: subwords that are learned from text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count
from aigc_tutorial.tokenizers.base import (
    Tokenizer,
    check_special_tokens,
    check_text,
    check_writable,
)


def _characters_of_bytes() -> list[str]:
    """GPT-2's printable stand-in for each byte: itself if it is printable, else from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


_CHARACTER_OF_BYTE = _characters_of_bytes()
_BYTE_OF_CHARACTER = {character: byte for byte, character in enumerate(_CHARACTER_OF_BYTE)}


@dataclass(frozen=True)
class BPETokenizer(Tokenizer):
    """Byte pair encoding: frequent pieces of words are one token, and bytes write all the rest.

    Training starts from the 256 bytes and joins the most frequent pair of neighbours, again and
    again (Sennrich et al. 2016; over bytes: Radford et al. 2019, GPT-2). Without any merge it is
    the :class:`ByteTokenizer`; what that does with incomplete characters holds here too.

    GPT-2 numbers its first 256 tokens otherwise: with its own merges this makes the pieces that it
    knows, but not their numbers. Published weights need the tokenizer that was published with them.

    Attributes:
        merges: pairs in the order in which they were joined, in GPT-2's notation: two pieces with
            a space between them, their bytes written as printable characters.
        special_tokens: names from ``SPECIAL_TOKENS``.
    """

    kind: ClassVar[str] = "bpe"

    merges: tuple[str, ...]
    special_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check names and notation, and that every merge joins pieces that exist."""
        object.__setattr__(self, "special_tokens", check_special_tokens(self.special_tokens))
        # Files of the library hold the two pieces of a merge as a list of their own.
        given: Iterable[Any] = self.merges
        merges = (" ".join(m) if isinstance(m, list | tuple) else m for m in given)
        object.__setattr__(self, "merges", tuple(merges))
        pieces = set(_CHARACTER_OF_BYTE)
        for merge in self.merges:
            left, _, right = merge.partition(" ")
            if left not in pieces or right not in pieces:
                raise ValueError(
                    f"the merge {merge!r} does not join two pieces that are there before it"
                )
            pieces.add(left + right)

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, *, special_tokens: Sequence[str] = ()
    ) -> "BPETokenizer":
        """Learn the merges from texts.

        Args:
            texts: what to learn from; they are not kept.
            vocab_size: number of tokens with the special ones, at least 256 of which are bytes. It
                can become less if the texts have no pair left that occurs twice.
            special_tokens: names from ``SPECIAL_TOKENS``.

        Raises:
            ValueError: if ``vocab_size`` does not hold the bytes and the special tokens, or
                ``texts`` is a single string or holds something else than strings, or a lone
                surrogate.
            MissingDependencyError: if the package tokenizers is not installed.
        """
        if isinstance(texts, str):
            raise ValueError(
                "expected several texts, got one string, which would be learned from character by "
                "character; put it into a list: [text]"
            )
        check_special_tokens(tuple(special_tokens))
        n_ordinary = as_count(vocab_size, "vocab_size") - len(special_tokens)
        if n_ordinary < 256:
            raise ValueError(
                f"vocab_size is {vocab_size}; expected at least {256 + len(special_tokens)}, for "
                f"256 bytes and {len(special_tokens)} special tokens"
            )
        library = require("tokenizers", extra="book")
        learner = _byte_level(library, library.models.BPE())
        trainer = library.trainers.BpeTrainer(
            vocab_size=n_ordinary,
            min_frequency=2,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        learner.train_from_iterator(_checked(texts), trainer)
        merges = json.loads(learner.to_str())["model"]["merges"]
        return cls(tuple(" ".join(pair) for pair in merges), tuple(special_tokens))

    @property
    def n_ordinary(self) -> int:
        """The 256 bytes, and the pieces that merges make."""
        return len(self._pieces)

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        """Join bytes to pieces, the earliest merge first, within words.

        Raises:
            ValueError: at a lone surrogate, which no UTF-8 can write.
            MissingDependencyError: if the package tokenizers is not installed.
        """
        check_writable(text)
        return torch.tensor(self._library_tokenizer.encode(text).ids, dtype=torch.int64)

    def _decode_ordinary(self, tokens: list[int]) -> str:
        pieces = "".join([self._pieces[token] for token in tokens])
        return bytes(map(_BYTE_OF_CHARACTER.__getitem__, pieces)).decode("utf-8", errors="replace")

    @cached_property
    def _pieces(self) -> list[str]:
        """Each token's bytes as printable characters. Two merges can make the same piece."""
        return list(
            dict.fromkeys([*_CHARACTER_OF_BYTE, *(m.replace(" ", "") for m in self.merges)])
        )

    @cached_property
    def _library_tokenizer(self) -> Any:
        library = require("tokenizers", extra="book")
        vocabulary = {piece: i for i, piece in enumerate(self._pieces)}
        pairs = [tuple(merge.split(" ")) for merge in self.merges]
        return _byte_level(library, library.models.BPE(vocab=vocabulary, merges=pairs))


def _checked(texts: Iterable[str]) -> Iterator[str]:
    for i, text in enumerate(texts):
        check_text(text, f"text {i}")
        try:
            check_writable(text)
        except ValueError as error:
            raise ValueError(f"text {i}: {error}") from None
        yield text


def _byte_level(library: Any, model: Any) -> Any:
    """A tokenizer over bytes that splits text into words as GPT-2 does, and changes nothing."""
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer
