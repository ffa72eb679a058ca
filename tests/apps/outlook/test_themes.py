"""Songs that take up a theme, and runs that were copied."""

import inspect
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.apps.outlook import themes
from aigc_tutorial.data import MelodyStyle, Note, share_in_scale

MAJOR = MelodyStyle("major", tonic=62)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_song_takes_up_its_theme_keeps_to_the_scale_and_comes_home():
    songs = themes.sample_songs(MAJOR, 200, rng=seeded())
    assert songs.shape == (200, 1 + themes.SONG_NOTES)
    for song in songs:
        assert themes.takes_up_theme(song, MAJOR) == (True, True)
        notes = MAJOR.decode(song)
        assert share_in_scale(notes, MAJOR) == 1
        assert (notes[-1].pitch - MAJOR.tonic) % 12 == 0
        assert notes[-1].duration == 4


def test_melodies_without_a_theme_do_not_take_it_up():
    songs = MAJOR.sample(200, themes.SONG_NOTES, rng=seeded())
    taken = [themes.takes_up_theme(song, MAJOR) for song in songs]
    assert sum(moved or again for moved, again in taken) < 10


def test_a_theme_is_moved_along_the_scale_or_not_at_all():
    theme = MAJOR.encode([Note(62, 1), Note(64, 2), Note(66, 4)])[1:].tolist()
    moved = MAJOR.decode(themes.move(theme, 1, MAJOR))
    assert [(note.pitch, note.duration) for note in moved] == [(64, 1), (66, 2), (67, 4)]
    assert themes.move(themes.move(theme, 2, MAJOR), -2, MAJOR) == theme
    assert themes.move(theme, -2, MAJOR) == []  # below the lowest note
    assert themes.move(MAJOR.encode([Note(63, 1)])[1:].tolist(), 1, MAJOR) == []


def naive_longest(song, corpus):
    """By comparing every part of the song with every part of every other, moved."""
    best = min(1, len(song))
    for other in corpus:
        for i in range(len(song)):
            for j in range(len(other)):
                by = other[j].pitch - song[i].pitch
                n = 0
                while (
                    i + n < len(song)
                    and j + n < len(other)
                    and other[j + n] == Note(song[i + n].pitch + by, song[i + n].duration)
                ):
                    n += 1
                best = max(best, n)
    return best


notes = st.lists(st.builds(Note, st.integers(60, 63), st.sampled_from([1, 2])), max_size=7)


@given(notes, st.lists(notes, max_size=4))
def test_the_longest_copied_run_is_what_comparing_all_parts_finds(song, corpus):
    assert themes.longest_copied_run(song, themes.runs_of(corpus)) == naive_longest(song, corpus)


def test_a_copy_in_another_key_is_found_and_other_rhythms_are_not():
    song = [Note(60, 1), Note(62, 1), Note(64, 2), Note(60, 4)]
    higher = [Note(note.pitch + 5, note.duration) for note in song]
    assert themes.longest_copied_run(song, themes.runs_of([higher])) == 4
    slower = [Note(note.pitch, 3) for note in song]
    assert themes.longest_copied_run(song, themes.runs_of([slower])) == 1


def test_several_songs_at_once_and_tokens_in_place_of_notes_are_refused():
    songs = themes.sample_songs(MAJOR, 2, rng=seeded())
    takes_up: Any = inspect.unwrap(themes.takes_up_theme)  # as where no types are checked
    with pytest.raises(ValueError, match="one song"):
        takes_up(songs, MAJOR)
    steps: Any = inspect.unwrap(themes._steps)
    with pytest.raises(TypeError, match=r"style\.decode"):
        steps(songs[0].tolist())


def test_a_song_without_three_lines_is_refused():
    with pytest.raises(ValueError, match="expected 12 or more"):
        themes.takes_up_theme(torch.zeros(9, dtype=torch.int64), MAJOR)
