"""Poems that scan, none of them twice, none of their lines on both sides of the split."""

import dataclasses
import hashlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import (
    TANG_POEMS,
    DataFallbackWarning,
    DataIntegrityError,
    Poem,
    PoemDataset,
    Source,
    poems,
    tang_poems,
    tang_sample,
)

DATA_FOLDER = os.environ.get("AIGC_TUTORIAL_DATA")  # before a fixture hides it
needs_data = pytest.mark.skipif(
    not DATA_FOLDER, reason="set AIGC_TUTORIAL_DATA to a folder that holds tang"
)
HERE = Source("embedded", "here", "Made up.")

SPRING = ("春眠不覺曉", "處處聞啼鳥", "夜來風雨聲", "花落知多少")
CRANE = ("白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓")


def entry(*paragraphs, title="春曉", author="孟浩然"):
    return {"title": title, "author": author, "paragraphs": list(paragraphs), "id": "x"}


def couplets(lines):
    return f"{lines[0]}，{lines[1]}。", f"{lines[2]}，{lines[3]}。"


FILES = [
    [entry(*couplets(SPRING)), entry(title="只有題目"), entry("白日依山盡，黃河入海流。")],
    [
        entry(*couplets(CRANE), title="登鸛雀樓", author="王之渙"),
        entry(*couplets(SPRING), title="春曉 又"),
        # The same but for the spelling of one character, which simplification makes equal.
        entry(*couplets(("春眠不覺曉", "處處聞啼鳥", "夜来風雨聲", "花落知多少"))),
    ],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two files in chinese-poetry's format, and a catalogue that expects them."""
    resources = []
    for resource, entries in zip(TANG_POEMS[:2], FILES, strict=True):
        content = json.dumps(entries, ensure_ascii=False).encode()
        path = tmp_path / resource.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        resources.append(dataclasses.replace(resource, sha256=sha256, n_bytes=len(content)))
    monkeypatch.setattr(poems, "TANG_POEMS", tuple(resources))
    return tmp_path


# --- one poem -----------------------------------------------------------------------------------


def poem(*lines):
    return Poem("title", "author", lines)


def test_a_poem_shows_a_line_a_line():
    assert poem("春眠", "不覺").text == "春眠\n不覺"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (SPRING, True),
        (("千里黃雲白日曛",) * 4, True),
        (("𢼮" * 5,) * 4, True),  # a rare character, outside the first 65,536
        (SPRING[:3], False),
        ((*SPRING, *SPRING), False),
        (("春眠不覺",) * 4, False),
        (("春眠不覺曉處",) * 4, False),
        ((*SPRING[:3], "千里黃雲白日曛"), False),
        ((*SPRING[:3], "花落知□少"), False),  # a lost character
        ((*SPRING[:3], "花落1多少"), False),
    ],
)
def test_a_regular_quatrain_has_four_whole_lines_of_five_or_of_seven(lines, expected):
    assert poem(*lines).is_quatrain == expected


@pytest.mark.parametrize("marks", ["，。", "？。", "；。", "，？。", "、！", "。。", "：。"])
def test_punctuation_ends_a_line_and_is_not_kept(marks):
    content = json.dumps([entry(marks[0].join(SPRING) + marks[1:])]).encode()
    (parsed,) = poems.parse_poems(content)
    assert parsed.lines == SPRING


# --- folder -------------------------------------------------------------------------------------


def test_quatrains_are_read_in_the_order_of_the_files_and_none_twice(folder):
    dataset = tang_poems("all", root=folder)
    assert [p.title for p in dataset.poems] == ["春曉", "登鸛雀樓", "春曉"]
    assert dataset[1] == Poem("登鸛雀樓", "王之渙", CRANE)
    assert (len(dataset), dataset.n_duplicates) == (3, 1)
    assert dataset.source.kind == "folder"


def test_other_forms_are_read_when_asked_for_but_no_empty_poem(folder):
    dataset = tang_poems("all", form="all", root=folder)
    assert [len(p.lines) for p in dataset.poems] == [4, 2, 4, 4]


def test_simplified_poems_that_become_equal_are_merged(folder):
    pytest.importorskip("opencc", reason="OpenCC is not installed")
    dataset = tang_poems("all", script="simplified", root=folder)
    assert [p.lines[0] for p in dataset.poems] == ["春眠不觉晓", "白日依山尽"]
    assert dataset[1].title == "登鹳雀楼"
    assert dataset[1].author == "王之涣"
    assert dataset.n_duplicates == 2


def test_a_damaged_file_is_an_error(folder):
    path = folder / TANG_POEMS[1].filename
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataIntegrityError, match="Tang poems, file 2 of 58"):
        tang_poems(root=folder)


def test_without_file_or_network_the_poems_of_the_package_serve_and_say_so():
    with pytest.warns(DataFallbackWarning, match=r"using 1,014 quatrains of eight poets"):
        dataset = tang_poems("all", offline=True)
    assert (len(dataset), dataset.n_duplicates) == (1_014, 0)
    assert dataset.source.kind == "embedded"
    assert "chinese-poetry (MIT licence)" in dataset.source.description
    poets = ["李白", "王維", "杜甫", "孟浩然", "王昌齡", "王之渙", "杜牧", "李商隱"]
    assert {p.author for p in dataset.poems} == set(poets)
    assert CRANE in {p.lines for p in dataset.poems}


def test_the_poems_of_the_package_are_split_and_simplified_like_all_others():
    pytest.importorskip("opencc", reason="OpenCC is not installed")
    with pytest.warns(DataFallbackWarning):
        train = tang_poems(offline=True, script="simplified")
    with pytest.warns(DataFallbackWarning):
        validation = tang_poems("validation", offline=True, script="simplified")
    assert 1_000 < len(train) + len(validation) <= 1_014
    assert 30 < len(validation) < 80
    assert ("白日依山尽", "黄河入海流") in {p.lines[:2] for p in train.poems + validation.poems}


def test_an_incomplete_folder_is_no_reason_to_stop(folder):
    (folder / TANG_POEMS[1].filename).unlink()
    with pytest.warns(DataFallbackWarning, match="Tang poems could not be found"):
        assert len(tang_poems("all", root=folder, offline=True)) == 1_014


@needs_data
def test_the_poems_of_the_package_are_among_the_real_ones():
    everything = {p.lines for p in tang_poems("all", root=DATA_FOLDER).poems}
    with pytest.warns(DataFallbackWarning):
        embedded = tang_poems("all", offline=True)
    assert {p.lines for p in embedded.poems} <= everything


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("split", "test", poems.PoemSplit),
        ("script", "pinyin", poems.Script),
        ("form", "sonnet", poems.PoemForm),
    ],
)
def test_an_unknown_choice_is_refused(name, value, choices, folder):
    with pytest.raises(Exception, match=value):  # here by the type checker of the tests
        tang_poems(**{name: value}, root=folder)
    with pytest.raises(ValueError, match=f"{name} is '{value}'; expected one of "):
        poems._check_choice(name, value, choices)


# --- split --------------------------------------------------------------------------------------

few_lines = st.lists(st.integers(0, 40).map(str), min_size=1, max_size=3).map(tuple)


@given(lines=st.lists(few_lines, unique=True, max_size=25))
def test_a_split_loses_no_poem_and_keeps_poems_with_a_common_line_together(lines):
    dataset = PoemDataset(tuple(poem(*each) for each in lines), HERE, n_duplicates=0)
    train, validation = dataset.split("train"), dataset.split("validation")
    assert sorted(train.poems + validation.poems, key=dataset.poems.index) == list(dataset.poems)
    for part in (train, validation):
        assert list(part.poems) == sorted(part.poems, key=dataset.poems.index)
    lines_of = [{line for p in part.poems for line in p.lines} for part in (train, validation)]
    assert not lines_of[0] & lines_of[1]
    assert dataset.split("all") is dataset
    for part in (train, validation):
        with pytest.raises(ValueError, match=r'is the part .* already.* load "all"'):
            part.split("validation")


def test_unconnected_poems_are_split_one_by_one_in_the_promised_shares():
    dataset = PoemDataset(tuple(poem(str(i), f"{i}'") for i in range(4_000)), HERE, n_duplicates=0)
    share = len(dataset.split("validation")) / 4_000
    assert share == pytest.approx(0.05, abs=5 * (0.05 * 0.95 / 4_000) ** 0.5)


def test_a_poem_stays_on_its_side_when_others_come():
    few = PoemDataset(tuple(poem(str(i)) for i in range(100)), HERE, n_duplicates=0)
    many = PoemDataset(tuple(poem(str(i)) for i in range(200)), HERE, n_duplicates=0)
    assert set(few.split("validation").poems) <= set(many.split("validation").poems)


# --- the real files -----------------------------------------------------------------------------


def test_the_catalogue_has_58_different_files_and_a_mirror_for_each():
    assert len({resource.filename for resource in TANG_POEMS}) == 58
    assert len({resource.sha256 for resource in TANG_POEMS}) == 58
    assert TANG_POEMS[-1].filename == "tang/poet.tang.57000.json"
    assert sum(resource.n_bytes for resource in TANG_POEMS) == 25_585_610
    for resource in TANG_POEMS:
        assert len(bytes.fromhex(resource.sha256)) == 32
        assert len(resource.addresses) >= 2
        assert all(a.startswith("https://") and a.isascii() for a in resource.addresses)


@needs_data
def test_the_real_quatrains_are_as_many_as_documented():
    dataset = tang_poems("all", root=DATA_FOLDER)
    assert len(dataset) == 14_160
    assert dataset.n_duplicates == 386
    assert sum(len(p.lines[0]) == 5 for p in dataset.poems) == 3_791
    assert len({character for p in dataset.poems for character in p.text} - {"\n"}) == 5_393
    train, validation = dataset.split("train"), dataset.split("validation")
    assert (len(train), len(validation)) == (13_446, 714)
    assert CRANE in {p.lines for p in dataset.poems}


@needs_data
def test_the_real_quatrains_in_simplified_characters_share_no_line_across_the_split():
    pytest.importorskip("opencc", reason="OpenCC is not installed")
    dataset = tang_poems("all", script="simplified", root=DATA_FOLDER)
    train, validation = dataset.split("train"), dataset.split("validation")
    # Bands, since OpenCC's dictionary changes from version to version.
    assert 14_080 < len(dataset) < 14_160
    assert 0.045 < len(validation) / len(dataset) < 0.055
    lines = {line for p in train.poems for line in p.lines}
    assert not any(line in lines for p in validation.poems for line in p.lines)


@pytest.mark.parametrize("split", ["train", "validation", "all"])
def test_the_sample_is_what_stands_in_offline_without_a_warning(split):
    sample = tang_sample(split)
    with pytest.warns(DataFallbackWarning):
        assert sample == tang_poems(split, offline=True)
