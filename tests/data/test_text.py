"""Shakespeare from a folder, Python's documentation where there is none, and the cut between."""

import dataclasses
import hashlib
import os
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import (
    TINY_SHAKESPEARE,
    DataFallbackWarning,
    DataIntegrityError,
    DataUnavailableError,
    Source,
    TextDataset,
    python_documentation,
    text,
    tiny_shakespeare,
)

DATA_FOLDER = os.environ.get("AIGC_TUTORIAL_DATA")  # before a fixture hides it
needs_data = pytest.mark.skipif(
    not DATA_FOLDER, reason="set AIGC_TUTORIAL_DATA to a folder that holds text"
)
HERE = Source("embedded", "here", "Made up.")


@pytest.fixture
def small_shakespeare(tmp_path, monkeypatch):
    """A folder with twenty characters, two of them not ASCII, and a catalogue that expects them."""
    content = "To be, or not tö bé.".encode()
    resource = dataclasses.replace(
        TINY_SHAKESPEARE, sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content)
    )
    path = tmp_path / resource.filename
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setattr(text, "TINY_SHAKESPEARE", resource)
    return tmp_path


# --- split --------------------------------------------------------------------------------------


@given(content=st.text())
def test_the_parts_together_are_the_text(content):
    dataset = TextDataset(content, HERE)
    train, validation = dataset.split("train"), dataset.split("validation")
    assert train.text + validation.text == content == dataset.split("all").text
    assert len(train) == int(0.9 * len(content))
    assert train.source == validation.source == HERE


def test_a_part_is_not_split_again(small_shakespeare):
    for part in (
        TextDataset("To be, or not to be.", HERE).split("train"),
        tiny_shakespeare(root=small_shakespeare),
        python_documentation("validation"),
    ):
        for name in ("train", "validation"):
            with pytest.raises(ValueError, match=r'is the part .* already.* load "all"'):
                part.split(name)
    whole = tiny_shakespeare("all", root=small_shakespeare)
    expected = tiny_shakespeare("validation", root=small_shakespeare)
    assert whole.split("validation") == whole.split("all").split("validation") == expected


def test_an_unknown_split_is_refused(small_shakespeare):
    name: Any = "test"
    for use in (
        lambda: TextDataset("a", HERE).split(name),
        lambda: tiny_shakespeare(name, root=small_shakespeare),
        lambda: python_documentation(name),
    ):
        with pytest.raises(Exception, match="split"):  # the type checker of the tests may be first
            use()


def test_a_dataset_does_not_print_its_text():
    assert repr(TextDataset("secret", HERE)) == f"TextDataset(source={HERE}, part='all')"


# --- tiny Shakespeare ---------------------------------------------------------------------------


def test_shakespeare_is_read_from_a_folder_and_cut_by_characters(small_shakespeare):
    train = tiny_shakespeare(root=small_shakespeare)
    validation = tiny_shakespeare("validation", root=small_shakespeare)
    assert (train.text, validation.text) == ("To be, or not tö b", "é.")
    assert train.source.kind == "folder"


def test_a_damaged_file_in_the_folder_is_not_replaced_by_the_fallback(small_shakespeare):
    (small_shakespeare / TINY_SHAKESPEARE.filename).write_bytes(b"To be, or not to be?")
    with pytest.raises(DataIntegrityError, match="tiny Shakespeare"):
        tiny_shakespeare(root=small_shakespeare)


@pytest.mark.parametrize("split", ["train", "validation", "all"])
def test_without_file_or_network_the_documentation_serves_and_says_so(split):
    with pytest.warns(DataFallbackWarning, match="using the documentation of Python 3"):
        dataset = tiny_shakespeare(split, offline=True)
    assert dataset == python_documentation(split)
    assert dataset.source.kind == "embedded"
    assert dataset.source.location == "pydoc_data.topics"


def test_the_catalogue_entry_names_a_commit_and_a_mirror():
    assert len(bytes.fromhex(TINY_SHAKESPEARE.sha256)) == 32
    assert len(TINY_SHAKESPEARE.addresses) >= 2
    commit = "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
    assert all(a.startswith("https://") and commit in a for a in TINY_SHAKESPEARE.addresses)


@needs_data
def test_the_real_shakespeare_is_cut_as_in_nanogpt():
    train = tiny_shakespeare("train", root=DATA_FOLDER)
    validation = tiny_shakespeare("validation", root=DATA_FOLDER)
    assert (len(train), len(validation)) == (1_003_854, 111_540)  # as nanoGPT's prepare.py prints
    assert train.text.startswith("First Citizen:\nBefore we proceed any further")
    assert len(set(train.text + validation.text)) == 65
    assert set(validation.text) <= set(train.text)


# --- Python's documentation ---------------------------------------------------------------------


def test_the_documentation_is_long_and_names_its_version():
    dataset = python_documentation()
    assert len(dataset) > 300_000
    assert 'The "if" statement' in dataset.text
    version = ".".join(map(str, sys.version_info[:3]))
    assert f"Python {version} " in dataset.source.description
    assert dataset == python_documentation()


def test_no_topic_comes_twice(monkeypatch):
    topics = pytest.importorskip("pydoc_data.topics", reason="this Python has no documentation")
    monkeypatch.setattr(topics, "topics", {"b": "second", "c": "first", "a": "first"})
    assert python_documentation().text == "first\nsecond"


def test_a_python_without_documentation_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataUnavailableError, match="full standard library"):
        python_documentation()
