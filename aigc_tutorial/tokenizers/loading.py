"""Tokenizers from what :meth:`Tokenizer.save` wrote."""

import json
from pathlib import Path
from typing import Any

from aigc_tutorial.config import from_dict
from aigc_tutorial.tokenizers.base import Tokenizer
from aigc_tutorial.tokenizers.byte_pairs import BPETokenizer
from aigc_tutorial.tokenizers.bytes import ByteTokenizer
from aigc_tutorial.tokenizers.characters import CharacterTokenizer


def tokenizer_from_dict(values: dict[str, Any]) -> Tokenizer:
    """Build the tokenizer that :meth:`Tokenizer.to_dict` described.

    Raises:
        ValueError: if the kind or a field is unknown.
    """
    classes = {c.kind: c for c in (CharacterTokenizer, ByteTokenizer, BPETokenizer)}
    kind = values.get("kind")
    if kind not in classes:
        raise ValueError(f"the kind of tokenizer is {kind!r}; expected one of {', '.join(classes)}")
    return from_dict(classes[kind], {key: v for key, v in values.items() if key != "kind"})


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read what :meth:`Tokenizer.save` wrote; see :func:`tokenizer_from_dict`.

    Raises:
        ValueError: if the file holds no tokenizer.
    """
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no tokenizer: expected a JSON object")
    return tokenizer_from_dict(values)
