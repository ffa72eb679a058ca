"""Tokenizers from what :meth:`Tokenizer.save` wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigc_tutorial.config import from_dict
from aigc_tutorial.files import read_json
from aigc_tutorial.tokenizers.base import SUM_NAME, Tokenizer, sum_of
from aigc_tutorial.tokenizers.byte_pairs import BPETokenizer
from aigc_tutorial.tokenizers.bytes import ByteTokenizer
from aigc_tutorial.tokenizers.characters import CharacterTokenizer

# How the tokenizers' fields look in JSON.
_TYPES = {"alphabet": str, "merges": list, "special_tokens": list, "unknown": bool}


def tokenizer_from_dict(values: Mapping[str, Any]) -> Tokenizer:
    """Build the tokenizer that :meth:`Tokenizer.to_dict` described.

    Raises:
        ValueError: if the kind or a field is unknown, a field is missing, or of another type.
    """
    classes = {c.kind: c for c in (CharacterTokenizer, ByteTokenizer, BPETokenizer)}
    if not isinstance(values, Mapping):
        raise ValueError(
            f"expected a tokenizer's kind and fields by name, got {type(values).__name__}"
        )
    fields = dict(values)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in classes:
        raise ValueError(f"the kind of tokenizer is {kind!r}; expected one of {', '.join(classes)}")
    for name, value in fields.items():
        expected = _TYPES.get(name, object)
        value = list(value) if isinstance(value, tuple) else value
        if not isinstance(value, expected):
            raise ValueError(f"{name} is {value!r}; expected a {expected.__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ValueError(f"{name} is {value!r}; expected texts alone")
    try:
        return from_dict(classes[kind], fields)
    except TypeError as error:
        raise ValueError(f"the {kind} tokenizer lacks a field: {error}") from error


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read what :meth:`Tokenizer.save` wrote; see :func:`tokenizer_from_dict`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or holds no tokenizer; the message names it.
    """
    values = read_json(path)
    if values.pop(SUM_NAME, None) not in (None, sum_of(values)):
        raise ValueError(
            f"{path} is damaged: its content is not what was written; restore it from a copy"
        )
    try:
        return tokenizer_from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path} holds no tokenizer: {error}") from error
