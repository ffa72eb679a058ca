"""Support utterances: files, the examples that stand in, draws with few labels, near-duplicates."""

import dataclasses
import hashlib
import os
from collections import Counter
from itertools import pairwise, product
from typing import Any

import pytest
import torch

from aigc_tutorial.data import (
    SUPPORT_INTENTS,
    SUPPORT_TAGS,
    SUPPORT_UTTERANCES,
    DataFallbackWarning,
    DataIntegrityError,
    Source,
    Utterance,
    UtteranceDataset,
    normal_form,
    support_sample,
    support_utterances,
    utterances,
)
from aigc_tutorial.data.utterances import Language, UtteranceSplit

DATA_FOLDER = os.environ.get("AIGC_TUTORIAL_DATA")  # before a fixture hides it
needs_data = pytest.mark.skipif(
    not DATA_FOLDER, reason="set AIGC_TUTORIAL_DATA to a folder that holds customer_service"
)
HERE = Source("embedded", "here", "Made up.")
HEADER = "utterance,intent,entity_type,entity_value,start_offset,end_offset,category,tags\n"


@pytest.fixture
def small_folder(tmp_path, monkeypatch):
    """A folder with four utterances in three files, and a catalogue that expects them."""
    parts = {
        "Training": 'where is order 12,track_order,order_id,12,15,17,ORDER,BKL\n"one, two",review,'
        ",,,,FEEDBACK,BQ\n",
        "Validation": "wheres oder 12,track_order,order_id,12,12,14,ORDER,BQZ\n",
        "Testing": "Where is  order 7,track_order,order_id,7,15,17,ORDER,B\n",
    }
    resources = []
    for (name, rows), resource in zip(parts.items(), SUPPORT_UTTERANCES, strict=True):
        assert name in resource.filename
        content = (HEADER + rows).encode()
        path = tmp_path / resource.filename
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        resources.append(dataclasses.replace(resource, sha256=sha256, n_bytes=len(content)))
    monkeypatch.setattr(utterances, "SUPPORT_UTTERANCES", tuple(resources))
    return tmp_path


def test_the_files_are_the_splits_and_all_is_their_sequence(small_folder):
    parts = [
        support_utterances(split, root=small_folder) for split in ("train", "validation", "test")
    ]
    assert [len(part) for part in parts] == [2, 1, 1]
    assert parts[0][1] == Utterance("one, two", "review", "BQ")
    together = support_utterances("all", root=small_folder)
    assert together.texts == [text for part in parts for text in part.texts]
    assert together.source.kind == "folder"


def test_labels_are_places_among_the_intents(small_folder):
    labels = support_utterances(root=small_folder).labels
    assert labels.dtype == torch.int64
    assert [SUPPORT_INTENTS[k] for k in labels.tolist()] == ["track_order", "review"]
    assert sorted(SUPPORT_INTENTS) == list(SUPPORT_INTENTS)


def test_numbers_case_and_spaces_hide_a_duplicate(small_folder):
    train, test = (support_utterances(split, root=small_folder) for split in ("train", "test"))
    assert set(test.texts).isdisjoint(train.texts)
    assert normal_form(test.texts[0]) == normal_form(train.texts[0]) == "where is order 0"
    assert len(test.unlike(train)) == 0
    assert train.unlike(test).texts == ["one, two"]


def test_a_tag_divides_a_data_set(small_folder):
    everything = support_utterances("all", root=small_folder)
    with_tag, without = everything.tagged("Q"), everything.untagged("Q")
    assert with_tag.texts == ["one, two", "wheres oder 12"]
    assert len(with_tag) + len(without) == len(everything)


def test_a_damaged_file_in_the_folder_is_not_replaced_by_the_fallback(small_folder):
    path = small_folder / SUPPORT_UTTERANCES[2].filename
    path.write_bytes(path.read_bytes().replace(b"7", b"8", 1))
    with pytest.raises(DataIntegrityError, match="support utterances, testing file"):
        support_utterances(root=small_folder)


@pytest.mark.parametrize("split", ["train", "validation", "test", "all"])
def test_without_file_or_network_the_own_examples_serve_and_say_so(split):
    with pytest.warns(DataFallbackWarning, match="405 that were written for this book"):
        dataset = support_utterances(split, offline=True)
    assert dataset == support_sample(split)
    assert dataset.source.kind == "embedded"


def test_the_own_examples_are_balanced_in_each_split():
    languages: tuple[Language, ...] = ("en", "zh")
    splits: tuple[UtteranceSplit, ...] = ("train", "validation", "test")
    for language, split in product(languages, splits):
        n = {"train": 8, "validation": 3, "test": 4}[split] if language == "en" else 1
        dataset = support_sample(split, language=language)
        assert Counter(u.intent for u in dataset) == dict.fromkeys(SUPPORT_INTENTS, n)
        assert {u.language for u in dataset} == {language}


def test_no_two_of_the_own_examples_are_alike():
    texts = support_sample("all").texts + support_sample("all", language="zh").texts
    assert len({normal_form(text) for text in texts}) == len(texts) == 486


def test_the_own_examples_to_learn_from_and_to_test_on_have_typos_and_slang():
    for split in ("train", "test"):
        for tag in SUPPORT_TAGS:
            assert len(support_sample(split).tagged(tag)) >= 20


def test_a_draw_of_few_holds_the_draw_of_fewer():
    train = support_sample("train")
    draws = [train.few(n, rng=torch.Generator().manual_seed(3)) for n in (1, 2, 5, 100)]
    assert [len(draw) for draw in draws] == [27, 54, 135, 216]
    for draw, n in zip(draws, (1, 2, 5, 8), strict=True):
        assert set(Counter(u.intent for u in draw).values()) == {n}
    for small, large in pairwise(draws):
        assert set(small.texts) < set(large.texts)
    other = train.few(1, rng=torch.Generator().manual_seed(4))
    assert set(other.texts) != set(draws[0].texts)


def test_what_is_no_utterance_is_refused():
    with pytest.raises(ValueError, match="no intent 'order_pizza'"):
        Utterance("one pizza", "order_pizza")
    with pytest.raises(ValueError, match="text is empty"):
        Utterance("  ", "review")
    name: Any = "dev"
    for use in (support_utterances, support_sample):
        with pytest.raises(Exception, match="split"):  # the type checker of the tests may be first
            use(name)
    language: Any = "de"
    with pytest.raises(Exception, match="language"):
        support_sample(language=language)


def test_a_dataset_does_not_print_its_texts():
    dataset = UtteranceDataset((Utterance("secret", "review"),), HERE)
    assert "secret" not in repr(dataset)


def test_the_catalogue_names_a_commit_and_a_mirror():
    commit = "e970229e6473109417301b5edddb283917a10aac"
    for resource in SUPPORT_UTTERANCES:
        assert len(bytes.fromhex(resource.sha256)) == 32
        assert len(resource.addresses) >= 2
        assert all(a.startswith("https://") and commit in a for a in resource.addresses)


@needs_data
def test_the_real_utterances_are_as_many_as_they_should_be():
    parts = {
        split: support_utterances(split, root=DATA_FOLDER)
        for split in ("train", "validation", "test")
    }
    assert [len(part) for part in parts.values()] == [6_480, 810, 810]
    assert {u.intent for u in parts["test"]} == set(SUPPORT_INTENTS)
    assert len(parts["test"].tagged("Z")) > 100
    n_alike = 810 - len(parts["test"].unlike(parts["train"]))
    assert 70 < n_alike < 90  # of 810: the ninth or tenth part
