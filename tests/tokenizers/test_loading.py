"""Tokenizers in files: damage is found, and the error names the file."""

import json

import pytest

from aigc_tutorial.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    load_tokenizer,
)


def test_any_damage_is_found(tmp_path):
    path = tmp_path / "tokenizer.json"
    CharacterTokenizer("abcé春", ("bos",), unknown=True).save(path)
    whole = path.read_bytes()
    for position in range(len(whole) - 1):  # the last byte ends the line
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(ValueError, match=r"tokenizer\.json"):
            load_tokenizer(path)
        path.write_bytes(whole[:position])
        with pytest.raises(ValueError, match=r"tokenizer\.json"):
            load_tokenizer(path)


def test_a_file_without_the_sum_is_read(tmp_path):
    path, tokenizer = tmp_path / "tokenizer.json", BPETokenizer(("a b",), ("eos",))
    path.write_text(json.dumps(tokenizer.to_dict()))
    assert load_tokenizer(path) == tokenizer


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"kind": "words"}, "expected one of character, byte, bpe"),
        ({"kind": []}, "expected one of character, byte, bpe"),
        ({"kind": "byte", "size": 3}, "no setting size"),
        ({"kind": "character"}, "alphabet"),
        ({"kind": "character", "alphabet": ["a"]}, "alphabet is .*; expected a str"),
        ({"kind": "character", "alphabet": "a", "unknown": "no"}, "unknown is 'no'"),
        ({"kind": "bpe", "merges": "a b"}, "merges is 'a b'; expected a list"),
        ({"kind": "bpe", "merges": [1]}, "expected texts alone"),
        ({"kind": "byte", "special_tokens": "bos"}, "expected a list"),
    ],
)
def test_what_is_no_tokenizer_is_told(values, reason, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=rf"tokenizer\.json holds no tokenizer: .*{reason}"):
        load_tokenizer(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*tokenizer\.json"):
        load_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "tokenizer",
    [
        ByteTokenizer(["bos"]),  # type: ignore[arg-type]
        CharacterTokenizer("ab", ["bos"]),  # type: ignore[arg-type]
        # As the library's files hold them.
        BPETokenizer([["a", "b"], "ab c"], ["eos"]),  # type: ignore[arg-type]
    ],
)
def test_lists_are_as_good_as_tuples(tmp_path, tokenizer):
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert loaded == tokenizer
    assert hash(loaded) == hash(tokenizer)


def test_what_could_not_be_loaded_again_is_not_made():
    with pytest.raises(ValueError, match="unknown as True or False"):
        CharacterTokenizer("ab", unknown=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="special_tokens as a tuple"):
        ByteTokenizer(None)  # type: ignore[arg-type]
