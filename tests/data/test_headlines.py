"""Headlines: no story on two sides, none twice, and topics that the order of the rows gives."""

import dataclasses
import hashlib
import os
from collections import Counter
from typing import Any

import pytest

from aigc_tutorial.data import (
    FINANCIAL_NEWS_TEST,
    SENTIMENTS,
    DataFallbackWarning,
    DataIntegrityError,
    Headline,
    financial_news,
    headlines,
    news_sample,
    story_key,
)
from aigc_tutorial.data.headlines import NewsSplit

DATA_FOLDER = os.environ.get("AIGC_TUTORIAL_DATA")  # before a fixture hides it
needs_data = pytest.mark.skipif(
    not DATA_FOLDER, reason="set AIGC_TUTORIAL_DATA to a folder that holds financial_news"
)
SPLITS: tuple[NewsSplit, ...] = ("train", "validation", "test")

TRAIN = [
    ("Oil falls https://t.co/a", 0),
    ("$A $B - Bank cuts dividend", 0),
    ("Bank cuts dividend!", 0),
    ("https://t.co/nothing", 2),
    *((f"Company {i} names a director", 2) for i in range(60)),
]
TEST = [("Oil  falls", 0), ("Gold rises\nagain", 1), ("gold rises again", 1), ("Oil falls 3%", 0)]


def as_csv(rows):
    lines = ["text,label", *(f'"{text}",{label}' for text, label in rows)]
    return "\r\n".join(lines).encode()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two small files, and a catalogue that expects them."""
    for name, rows in (("FINANCIAL_NEWS_TRAIN", TRAIN), ("FINANCIAL_NEWS_TEST", TEST)):
        resource, content = getattr(headlines, name), as_csv(rows)
        path = tmp_path / resource.filename
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        small = dataclasses.replace(resource, sha256=digest, n_bytes=len(content))
        monkeypatch.setattr(headlines, name, small)
    topics = {0: "energy", 1: "banks"}, {0: "energy", 1: "metals", 3: "energy"}
    monkeypatch.setattr(headlines, "_TOPICS", topics)
    return tmp_path


def test_a_story_is_kept_once_and_stands_on_one_side(folder):
    parts = {split: financial_news(split, root=folder) for split in SPLITS}
    keys = [story_key(text) for part in parts.values() for text in part.texts]
    assert len(keys) == len(set(keys)) == 62 + 2
    assert parts["train"].n_duplicates == parts["validation"].n_duplicates == 1
    assert 3 <= len(parts["validation"]) <= 18
    assert parts["test"].texts == ["Gold rises again", "Oil falls 3%"]
    assert (parts["test"].n_duplicates, parts["test"].n_leaks) == (1, 1)
    assert parts["test"].labels.tolist() == [1, 0]
    assert parts["test"].topics == ["metals", "energy"]
    assert parts["train"].source.kind == "folder"


def test_as_published_nothing_is_left_out(folder):
    train = financial_news("train", as_published=True, root=folder)
    assert [(h.text, h.label) for h in train.headlines] == TRAIN
    assert train.topics == ["energy"] + ["banks"] * 63
    assert len(financial_news("test", as_published=True, root=folder)) == 4
    with pytest.raises(ValueError, match="cut a part for validation out of the first yourself"):
        financial_news("validation", as_published=True, root=folder)


def test_a_damaged_file_is_not_replaced_by_the_fallback(folder):
    (folder / FINANCIAL_NEWS_TEST.filename).write_bytes(b"text,label\r\nOil,0")
    with pytest.raises(DataIntegrityError, match="financial tweets to test on"):
        financial_news("train", root=folder)


@pytest.mark.parametrize("split", SPLITS)
def test_without_file_or_network_made_up_headlines_serve_and_say_so(split):
    with pytest.warns(DataFallbackWarning, match="using 260 headlines, made up"):
        dataset = financial_news(split, offline=True)
    assert dataset == news_sample(split)
    assert dataset.source.kind == "embedded"


def test_the_made_up_headlines_have_all_sentiments_of_all_topics_in_every_part():
    parts = {split: news_sample(split) for split in SPLITS}
    assert {split: len(part) for split, part in parts.items()} == {
        "train": 130,
        "validation": 40,
        "test": 90,
    }
    for part in parts.values():
        cells = Counter((h.topic, h.label) for h in part.headlines)
        assert len(cells) == 5 * len(SENTIMENTS)
        assert min(cells.values()) >= 2
    keys = [story_key(text) for part in parts.values() for text in part.texts]
    assert len(set(keys)) == 260
    assert sum(not text.isascii() for part in parts.values() for text in part.texts) >= 40


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("$TAP - Barclays cools on Molson Coors https://t.co/x", "barclays cools on molson coors"),
        ("$GM: Deutsche Bank cuts to Hold", "gm deutsche bank cuts to hold"),  # another stock
        ("Gold -1.5 %", "gold 1 5"),
        ("央行加息，股市下跌", "央行加息 股市下跌"),
        ("https://t.co/x", ""),
    ],
)
def test_a_story_is_known_by_its_words(text, key):
    assert story_key(text) == key


def test_an_unknown_split_or_label_is_refused(folder):
    other: Any = "all"
    for use in (lambda: news_sample(other), lambda: financial_news(other, root=folder)):
        with pytest.raises(Exception, match="split"):  # the type checker of the tests may be first
            use()
    with pytest.raises(ValueError, match="0 for bearish"):
        Headline("Oil falls", 3, "energy")


def test_a_dataset_does_not_print_its_texts():
    assert "Nordhaven" not in repr(news_sample())


@needs_data
def test_the_real_tweets_are_as_published():
    train = financial_news("train", as_published=True, root=DATA_FOLDER)
    test = financial_news("test", as_published=True, root=DATA_FOLDER)
    assert train.labels.bincount().tolist() == [1442, 1923, 6178]
    assert test.labels.bincount().tolist() == [347, 475, 1566]


@needs_data
def test_no_real_story_is_on_two_sides():
    parts = [financial_news(split, root=DATA_FOLDER) for split in SPLITS]
    keys = [story_key(text) for part in parts for text in part.texts]
    assert len(keys) == len(set(keys))
    assert [len(part) for part in parts] == [7_943, 1_378, 2_267]
    assert [part.n_duplicates for part in parts] == [218, 218, 18]
    assert parts[2].n_leaks == 103
    assert not any("http" in text for part in parts for text in part.texts)


@needs_data
def test_the_rows_of_a_topic_lie_together_and_in_it_those_of_a_sentiment():
    for split in ("train", "test"):
        dataset = financial_news(split, as_published=True, root=DATA_FOLDER)
        blocks = [
            (h.topic, h.label)
            for i, h in enumerate(dataset.headlines)
            if not i or (h.topic, h.label) != (dataset[i - 1].topic, dataset[i - 1].label)
        ]
        assert len(blocks) <= 60  # of 9,543 rows and of 2,388
        assert len(set(dataset.topics)) == 11
