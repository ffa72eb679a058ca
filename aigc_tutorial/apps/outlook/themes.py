"""Songs that take up a theme, and how to find what was copied."""

from collections.abc import Iterable, Sequence, Set
from itertools import pairwise

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.data.synthetic.melodies import MelodyStyle, Note
from aigc_tutorial.integers import as_count, as_int64

THEME_NOTES = 4
"""Length of a theme in notes."""

SONG_NOTES = 4 * THEME_NOTES
"""Length of a song: theme, theme moved, theme again, ending."""


def sample_songs(style: MelodyStyle, n: int, *, rng: torch.Generator) -> Int64[Tensor, "n T"]:
    """Draw songs as tokens: a theme, the same moved along the scale, the same again, an ending.

    A theme is the beginning of a melody of the style, an ending the end of one, so a song ends on
    the tonic. The theme is moved by one or two degrees of the scale, up or down, where there is
    room.

    Raises:
        ValueError: if ``n`` is below 1.
    """
    as_count(n, "n")
    require_rng(rng)
    melodies = style.sample(n, 2 * THEME_NOTES, rng=rng).tolist()
    turns = torch.randperm(4 * n, generator=rng, device="cpu").view(n, 4).argsort(dim=1).tolist()
    songs = []
    for (begin, *notes), turn in zip(melodies, turns, strict=True):
        theme, ending = notes[:THEME_NOTES], notes[THEME_NOTES:]
        moves = [moved for k in turn if (moved := move(theme, (-2, -1, 1, 2)[k], style))]
        songs.append([begin, *theme, *moves[0], *theme, *ending])
    return torch.tensor(songs, device="cpu")


def move(theme: Sequence[int], n_degrees: int, style: MelodyStyle) -> list[int]:
    """A theme's tokens moved along the scale, the durations kept; [] if there is no room."""
    moved = []
    for note in style.decode(theme):
        if not style.is_in_scale(note.pitch):
            return []
        degree = style.pitches.index(note.pitch) + n_degrees
        if not 0 <= degree < len(style.pitches):
            return []
        moved.append(Note(style.pitches[degree], note.duration))
    return style.encode(moved)[1:].tolist()


def takes_up_theme(song: Int64[Tensor, " T"], style: MelodyStyle) -> tuple[bool, bool]:
    """Whether a song moves its theme along the scale as the second line, and repeats it as third.

    Args:
        song: tokens, the one that marks the beginning first.
        style: the key.

    Raises:
        ValueError: if it is not the tokens of one song, or is shorter than three lines.
    """
    song = as_int64(song, "song", "style.encode makes the tokens of notes")
    if song.ndim != 1:
        raise ValueError(
            f"expected one song of shape (T,), got {tuple(song.shape)}; judge several song by song"
        )
    tokens = song.tolist()[1:]
    if len(tokens) < 3 * THEME_NOTES:
        raise ValueError(f"the song has {len(tokens)} notes; expected {3 * THEME_NOTES} or more")
    theme, second, third = (tokens[k * THEME_NOTES : (k + 1) * THEME_NOTES] for k in range(3))
    return any(move(theme, k, style) == second for k in (-2, -1, 1, 2)), third == theme


Steps = tuple[tuple[int, int, int], ...]
"""What lies between notes: steps in semitones, each with the durations of its two notes."""


def runs_of(corpus: Iterable[Sequence[Note]]) -> frozenset[Steps]:
    """All runs of notes that occur in a corpus, in whatever key: what there is to copy."""
    runs = set()
    for song in corpus:
        steps = _steps(song)
        runs |= {steps[i:j] for j in range(1, len(steps) + 1) for i in range(j)}
    return frozenset(runs)


def longest_copied_run(song: Sequence[Note], runs: Set[Steps]) -> int:
    """How many notes in a row a song has in common with one of a corpus, in whatever key.

    Runs of notes are the same if their durations and the steps between them are: to write a melody
    a little higher is to copy it. One note alone has no step, and counts as common.

    Args:
        song: the notes.
        runs: what :func:`runs_of` found in the corpus.

    Raises:
        TypeError: if something else than notes is given.
    """
    steps = _steps(song)
    for length in range(len(steps), 0, -1):
        if any(steps[i : i + length] in runs for i in range(len(steps) - length + 1)):
            return length + 1
    return min(1, len(song))


def _steps(song: Sequence[Note]) -> Steps:
    if not all(isinstance(note, Note) for note in song):
        raise TypeError("a song must be given as its notes; style.decode makes them of tokens")
    return tuple((b.pitch - a.pitch, a.duration, b.duration) for a, b in pairwise(song))
