"""Text to tokens and back without loss: characters, bytes, and byte pairs.

>>> from aigc_tutorial import tokenizers
>>> tokenizer = tokenizers.CharacterTokenizer.from_text("to be or not to be")
>>> tokenizer.decode(tokenizer.encode("to be"))
'to be'
"""

from aigc_tutorial.tokenizers.base import REPLACEMENT, SPECIAL_TOKENS, Tokenizer
from aigc_tutorial.tokenizers.byte_pairs import BPETokenizer
from aigc_tutorial.tokenizers.bytes import ByteTokenizer
from aigc_tutorial.tokenizers.characters import CharacterTokenizer
from aigc_tutorial.tokenizers.loading import load_tokenizer, tokenizer_from_dict

__all__ = [
    "REPLACEMENT",
    "SPECIAL_TOKENS",
    "BPETokenizer",
    "ByteTokenizer",
    "CharacterTokenizer",
    "Tokenizer",
    "load_tokenizer",
    "tokenizer_from_dict",
]
