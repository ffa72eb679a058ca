"""Every text comes back, nothing is lost in silence, and a file keeps the tokenizer."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aigc_tutorial.tokenizers import (
    REPLACEMENT,
    SPECIAL_TOKENS,
    BPETokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    load_tokenizer,
    tokenizer_from_dict,
)
from aigc_tutorial.tokenizers.base import check_text

ENGLISH = (
    "the theatre there, the weather here: whether they gather is neither here nor there. " * 20
)
SPECIALS = ("bos", "eos", "pad")
BPE = BPETokenizer.train([ENGLISH, "春眠不覺曉\n處處聞啼鳥\n" * 5], 300, special_tokens=SPECIALS)
BYTES = ByteTokenizer(SPECIALS)
CHARACTERS = CharacterTokenizer.from_text(ENGLISH, special_tokens=SPECIALS)
ALL = [CHARACTERS, CharacterTokenizer("ab", unknown=True), ByteTokenizer(), BYTES, BPE]

# What UTF-8 can write: all of Unicode but lone surrogates, control and unassigned ones included.
unicode_text = st.text(st.characters(exclude_categories=["Cs"]))
special_names = st.permutations(SPECIAL_TOKENS).flatmap(
    lambda names: st.integers(0, 3).map(lambda n: tuple(names[:n]))
)


def tensor(*tokens):
    return torch.tensor(tokens, dtype=torch.int64)


def label(tokenizer):
    return f"{tokenizer.kind}-{tokenizer.vocab_size}"


# --- lossless -----------------------------------------------------------------------------------


@settings(max_examples=500)
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), BYTES, BPE], ids=label)
@given(text=unicode_text)
def test_bytes_and_byte_pairs_bring_back_any_text(tokenizer, text):
    tokens = tokenizer.encode(text)
    assert tokens.dtype == torch.int64
    assert tokens.ndim == 1
    assert (tokens < tokenizer.n_ordinary).all()
    assert tokenizer.decode(tokens) == text


@given(text=unicode_text, names=special_names, unknown=st.booleans())
def test_characters_bring_back_a_text_of_their_alphabet(text, names, unknown):
    tokenizer = CharacterTokenizer.from_text(text, special_tokens=names, unknown=unknown)
    tokens = tokenizer.encode(text)
    assert len(tokens) == len(text)
    assert tokenizer.decode(tokens) == text
    assert tokenizer.unknown_id not in tokens.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\r\n\t\0",
        "é ≠ e\u0301",
        "ﬁ ² Å",
        "👩‍👩‍👧 🇨🇭",
        "\ufeff\ufffd\U0010ffff",
        "  two  spaces  ",
    ],
)
@pytest.mark.parametrize("tokenizer", [BYTES, BPE], ids=label)
def test_nothing_is_normalised(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_byte_tokens_are_the_bytes():
    assert ByteTokenizer().encode("aé").tolist() == [97, 0xC3, 0xA9]
    assert ByteTokenizer().vocab_size == 256


def test_character_tokens_are_places_in_the_alphabet():
    tokenizer = CharacterTokenizer("ba")
    assert tokenizer.encode("abba").tolist() == [1, 0, 0, 1]
    assert CharacterTokenizer.from_text("abba").alphabet == "ab"


# --- unknown ------------------------------------------------------------------------------------


def test_an_unknown_character_is_an_error_that_names_it_and_its_place():
    with pytest.raises(ValueError, match=r"'é' \(U\+00E9\) at position 3 is not among the 3"):
        CharacterTokenizer.from_text("caf").encode("café é")


def test_or_the_documented_token():
    tokenizer = CharacterTokenizer("abc", ("bos",), unknown=True)
    tokens = tokenizer.encode("aXc")
    assert tokens.tolist() == [0, tokenizer.unknown_id, 2]
    assert tokenizer.decode(tokens) == f"a{REPLACEMENT}c"
    assert (tokenizer.unknown_id, tokenizer.bos_id, tokenizer.vocab_size) == (3, 4, 5)
    assert CharacterTokenizer("abc").unknown_id is None


@given(text=unicode_text, alphabet=unicode_text)
def test_unknown_characters_are_never_silent(text, alphabet):
    assume(not set(text) <= set(alphabet))
    with pytest.raises(ValueError, match="is not among"):
        CharacterTokenizer.from_text(alphabet).encode(text)
    tokenizer = CharacterTokenizer.from_text(alphabet, unknown=True)
    n_unknown = sum(character not in alphabet for character in text)
    assert tokenizer.encode(text).tolist().count(tokenizer.unknown_id) == n_unknown
    assert len(tokenizer.decode(tokenizer.encode(text))) == len(text)


@pytest.mark.parametrize("tokenizer", [BYTES, BPE], ids=label)
def test_a_lone_surrogate_is_an_error(tokenizer):
    with pytest.raises(ValueError, match=r"U\+D83D\) at position 2 is a lone surrogate"):
        tokenizer.encode("ab\ud83d")
    with pytest.raises(ValueError, match="lone surrogate"):
        CharacterTokenizer("a\ud83d")


def test_incomplete_characters_are_decoded_visibly():
    tokens = BYTES.encode("語")
    assert BYTES.decode(tokens[:2]) == REPLACEMENT
    assert BYTES.decode(tensor(97, 0xFF, 98)) == f"a{REPLACEMENT}b"
    assert BPE.decode(tensor(0xE8)) == REPLACEMENT


@pytest.mark.parametrize("tokenizer", ALL, ids=label)
def test_a_token_outside_the_vocabulary_is_an_error(tokenizer):
    last = tokenizer.vocab_size - 1
    for token in (-1, tokenizer.vocab_size):
        with pytest.raises(ValueError, match=f"must lie in 0 … {last}"):
            tokenizer.decode(tensor(0, token))


@settings(max_examples=30)
@pytest.mark.parametrize("tokenizer", ALL, ids=label)
@given(data=st.data())
def test_whatever_a_model_generates_can_be_decoded(tokenizer, data):
    tokens = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1)))
    assert isinstance(tokenizer.decode(torch.tensor(tokens, dtype=torch.int64)), str)


# --- special tokens -----------------------------------------------------------------------------


@given(names=special_names)
def test_special_tokens_come_last_in_the_order_given(names):
    tokenizer = ByteTokenizer(names)
    ids = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id}
    assert tokenizer.vocab_size == 256 + len(names)
    for name, value in ids.items():
        assert value == (256 + names.index(name) if name in names else None)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, BYTES, BPE], ids=label)
def test_special_tokens_stand_for_no_text(tokenizer):
    the = tokenizer.encode("the")
    framed = torch.cat(
        [
            tensor(tokenizer.bos_id),
            the,
            tensor(tokenizer.eos_id, tokenizer.pad_id, tokenizer.pad_id),
        ]
    )
    assert tokenizer.decode(framed) == "the"


@pytest.mark.parametrize("text", ["<bos>", "<|endoftext|>", "eos", "[PAD]", "</s>"])
def test_no_text_becomes_a_special_token(text):
    for tokenizer in (BYTES, BPE):
        assert (tokenizer.encode(text) < tokenizer.n_ordinary).all()


@pytest.mark.parametrize("names", [("start",), ("bos", "bos"), ("BOS",)])
def test_special_tokens_have_fixed_names(names):
    for make in (
        ByteTokenizer,
        lambda n: CharacterTokenizer("a", n),
        lambda n: BPETokenizer((), n),
    ):
        with pytest.raises(ValueError, match="each at most once of bos, eos, pad"):
            make(names)


def test_an_alphabet_has_each_character_once():
    with pytest.raises(ValueError, match="repeats 'ac'"):
        CharacterTokenizer("cabac")


# --- byte pairs ---------------------------------------------------------------------------------


@given(text=unicode_text)
def test_without_merges_byte_pairs_are_bytes(text):
    assert torch.equal(BPETokenizer(()).encode(text), ByteTokenizer().encode(text))


def naive_byte_pairs(word, merges):
    """Encode one word by the definition: apply each merge in turn, wherever it fits."""
    pieces = list(word)
    for merge in merges:
        left, right = merge.split(" ")
        i = 0
        while i < len(pieces) - 1:
            if (pieces[i], pieces[i + 1]) == (left, right):
                pieces[i : i + 2] = [left + right]
            i += 1
    return pieces


@given(word=st.text("thernwag", min_size=1, max_size=15))
def test_a_word_is_encoded_by_the_merges_in_their_order(word):
    pieces = naive_byte_pairs(word, BPE.merges)
    assert [BPE.decode(tensor(token)) for token in BPE.encode(word).tolist()] == pieces


def test_training_finds_what_is_frequent():
    tokenizer = BPETokenizer.train([ENGLISH], 280)
    assert tokenizer.merges[0] == "h e"  # in "the", "there", "weather", "here", …
    assert len(tokenizer.encode(ENGLISH)) < len(ENGLISH) / 2
    assert tokenizer.vocab_size == 280


def test_training_is_repeatable():
    assert BPETokenizer.train([ENGLISH], 300) == BPETokenizer.train([ENGLISH], 300)


def test_the_vocabulary_has_the_size_asked_for_or_less_if_there_is_nothing_to_join():
    assert BPE.vocab_size == 300
    assert BPETokenizer.train(["ab"], 1_000).vocab_size == 256
    with pytest.raises(ValueError, match="expected at least 258, for 256 bytes and 2 special"):
        BPETokenizer.train([ENGLISH], 257, special_tokens=("bos", "eos"))


def test_two_merges_of_one_piece_share_a_token():
    tokenizer = BPETokenizer(("a b", "b c", "ab c", "a bc"))
    assert tokenizer.vocab_size == 259
    assert tokenizer.encode("abc").tolist() == [258]


@pytest.mark.parametrize("merge", ["ab c", "ab", "a b c", "", "a 語"])
def test_a_merge_of_what_is_not_there_is_refused(merge):
    with pytest.raises(ValueError, match="does not join two pieces"):
        BPETokenizer((merge,))


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ALL, ids=label)
def test_a_file_keeps_the_tokenizer(tokenizer, tmp_path):
    path = tmp_path / "zoo" / "tokenizer.json"
    tokenizer.save(path)
    loaded = load_tokenizer(path)
    assert loaded == tokenizer
    assert type(loaded) is type(tokenizer)
    assert torch.equal(loaded.encode("aa"), tokenizer.encode("aa"))
    assert json.loads(path.read_text(encoding="utf-8"))["kind"] == tokenizer.kind


@given(alphabet=unicode_text, names=special_names)
def test_a_dictionary_keeps_any_alphabet(alphabet, names):
    tokenizer = CharacterTokenizer.from_text(alphabet, special_tokens=names)
    assert tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict()))) == tokenizer


def test_merges_are_learned_from_what_can_be_written():
    with pytest.raises(ValueError, match=r"^text 1: .*U\+D800\) at position 2 is a lone surrogate"):
        BPETokenizer.train(["ab", "ab\ud800"], 300)
    with pytest.raises(ValueError, match="vocab_size must be at least 1, a whole number"):
        BPETokenizer.train(["ab"], True)


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="'words'; expected one of character, byte, bpe"):
        tokenizer_from_dict({"kind": "words"})
    with pytest.raises(ValueError, match="has no setting size"):
        tokenizer_from_dict({"kind": "byte", "size": 3})


@pytest.mark.parametrize(
    "tokens",
    [
        torch.tensor([98, 97], dtype=torch.int32),
        torch.tensor([98, 97], dtype=torch.uint8),
        [98, 97],
        (98, 97),
        np.array([98, 97]),
    ],
)
def test_tokens_are_decoded_from_whatever_holds_whole_numbers(tokens):
    assert ByteTokenizer().decode(tokens) == "ba"


def test_a_single_token_is_decoded():
    for token in (98, torch.tensor(98), np.int64(98)):
        assert ByteTokenizer().decode(token) == "b"
    assert ByteTokenizer().decode([]) == ""


def test_what_is_no_sequence_of_tokens_is_not_decoded():
    with pytest.raises(ValueError, match=r"a batch of shape \(2, 1\); decode row by row"):
        ByteTokenizer().decode([[98], [97]])
    wrong: list[Any] = [[98.0], torch.tensor([98.0]), torch.tensor([True]), "ab", [[1], [1, 2]]]
    for tokens in wrong:
        with pytest.raises(ValueError, match="expected tokens as whole numbers"):
            ByteTokenizer().decode(tokens)


def test_what_is_no_text_is_not_learned_from():
    with pytest.raises(ValueError, match=r"got one string.*put it into a list"):
        BPETokenizer.train("to be or not to be", 300)
    texts: list[Any] = ["to be", b"or not"]
    with pytest.raises(ValueError, match="expected text 1 as a string, got bytes"):
        BPETokenizer.train(iter(texts), 300)


def test_what_is_no_text_is_not_encoded():
    # Called itself: the type checks of the tests would refuse these first.
    wrong: list[Any] = [b"ab", ["a", "b"], None]
    for text in wrong:
        with pytest.raises(ValueError, match="expected text as a string, got"):
            check_text(text)
