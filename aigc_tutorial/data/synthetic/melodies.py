"""Melodies that keep to a scale and come home to its tonic, as tokens, notes and sound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import IntegersLike, as_count, as_int64

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
}
"""Semitones above the tonic of the notes that belong to each scale."""

NOTE_DURATIONS = (1, 2, 4)
"""Lengths of notes in steps: an eighth, a quarter, a half."""

_PROBABILITY_OF_DURATION = (0.5, 0.4, 0.1)
# Degrees of the scale up or down. Small steps are the rule, as in songs of most cultures.
_PROBABILITY_OF_STEP = {-2: 0.15, -1: 0.3, 0: 0.1, 1: 0.3, 2: 0.15}
_STRENGTH_OF_HARMONIC = (1.0, 0.4, 0.2, 0.1)
_ATTACK_SECONDS, _RELEASE_SECONDS, _DECAY_SECONDS = 0.01, 0.03, 0.4


@dataclass(frozen=True)
class Note:
    """A note.

    Attributes:
        pitch: MIDI number; 60 is the middle C, 69 the A of 440 Hz, one more is a semitone up.
        duration: length in steps.
    """

    pitch: int
    duration: int


@dataclass(frozen=True)
class MelodyStyle:
    """How melodies are made, and the tokens that write them.

    A melody is a random walk over the notes of a scale that is bound to end on the tonic, reached
    from a neighbouring note: a cadence. The last note is a half, the others have random durations.

    The vocabulary does *not* know the scale. Every semitone between ``lowest`` and ``highest`` has
    a token with each duration, so that a model has to learn which notes belong; the token after
    those marks the beginning.

    Attributes:
        scale: a name in ``SCALES``.
        tonic: MIDI number of the tonic, in any octave.
        lowest: lowest note.
        highest: highest note.
    """

    scale: str = "major"
    tonic: int = 60
    lowest: int = 60
    highest: int = 79

    def __post_init__(self) -> None:
        """Check that the scale exists and has room for a cadence."""
        if self.scale not in SCALES:
            raise ValueError(f"scale is {self.scale!r}; expected one of {', '.join(SCALES)}")
        if self.highest - self.lowest < 12:
            raise ValueError(
                f"lowest={self.lowest} and highest={self.highest} are less than an octave apart"
            )

    @property
    def vocab_size(self) -> int:
        """Pitches times durations, and the token that marks the beginning."""
        return (self.highest - self.lowest + 1) * len(NOTE_DURATIONS) + 1

    @property
    def bos_id(self) -> int:
        """The token that marks the beginning: the last of the vocabulary."""
        return self.vocab_size - 1

    @property
    def pitches(self) -> tuple[int, ...]:
        """The notes of the scale, from low to high."""
        return tuple(filter(self.is_in_scale, range(self.lowest, self.highest + 1)))

    def is_in_scale(self, pitch: int) -> bool:
        """Whether a pitch belongs to the scale, in whatever octave."""
        return (pitch - self.tonic) % 12 in SCALES[self.scale]

    def encode(self, melody: Sequence[Note]) -> Int64[Tensor, " T"]:
        """Tokens of a melody, after the token that marks the beginning.

        Raises:
            ValueError: if a note has no token.
        """
        tokens = [self.bos_id]
        for note in melody:
            if not self.lowest <= note.pitch <= self.highest or note.duration not in NOTE_DURATIONS:
                raise ValueError(
                    f"{note} has no token; expected a pitch of {self.lowest} to {self.highest} and "
                    f"a duration in {NOTE_DURATIONS}"
                )
            duration = NOTE_DURATIONS.index(note.duration)
            tokens.append((note.pitch - self.lowest) * len(NOTE_DURATIONS) + duration)
        return torch.tensor(tokens, device="cpu")

    def decode(self, tokens: Int64[Tensor, " T"] | IntegersLike) -> list[Note]:
        """Notes of a sequence of tokens; the token that marks the beginning stands for none.

        Raises:
            ValueError: if a token is outside the vocabulary, or there is a batch of melodies.
        """
        vector = as_int64(tokens, "tokens", "encode makes them from notes")
        if vector.ndim != 1:
            raise ValueError(
                f"expected the tokens of one melody, got the shape {tuple(vector.shape)}; decode "
                "row by row: [style.decode(row) for row in tokens]"
            )
        melody = []
        for token in vector.tolist():
            if not 0 <= token < self.vocab_size:
                raise ValueError(f"token {token} is not in 0 … {self.vocab_size - 1}")
            if token != self.bos_id:
                pitch, duration = divmod(token, len(NOTE_DURATIONS))
                melody.append(Note(self.lowest + pitch, NOTE_DURATIONS[duration]))
        return melody

    def sample(
        self, n_melodies: int, n_notes: int, *, rng: torch.Generator
    ) -> Int64[Tensor, "n_melodies T"]:
        r"""Draw melodies of ``n_notes`` notes as tokens, with the one that marks the beginning.

        The walk is drawn exactly from the distribution of all walks that end as they must, not by
        throwing away those that do not. With :math:`\beta_t(i)` the probability of ending well from
        note i at time t, the next note is drawn from :math:`p(j \mid i) \, \beta_{t+1}(j)`.

        Raises:
            ValueError: if there are fewer than two notes.
        """
        as_count(n_melodies, "n_melodies")
        as_count(n_notes, "n_notes, of which a cadence needs two,", at_least=2)
        require_rng(rng)
        walk, cadence = self._walk(), self._cadence()
        ends_well = [cadence.sum(dim=1)]
        for _ in range(n_notes - 2):
            ends_well.insert(0, walk @ ends_well[0])

        degrees = torch.empty(n_melodies, n_notes, dtype=torch.int64, device="cpu")
        weights = ends_well[0].expand(n_melodies, -1)
        for t in range(n_notes):
            degrees[:, t] = torch.multinomial(weights, 1, generator=rng)[:, 0]
            if t < n_notes - 2:
                weights = walk[degrees[:, t]] * ends_well[t + 1]
            else:
                weights = cadence[degrees[:, t]]

        probabilities = torch.tensor(
            _PROBABILITY_OF_DURATION, dtype=torch.float32, device="cpu"
        ).expand(n_melodies, -1)
        durations = torch.multinomial(probabilities, n_notes, replacement=True, generator=rng)
        durations[:, -1] = len(NOTE_DURATIONS) - 1
        pitches = torch.tensor(self.pitches, device="cpu")[degrees]
        notes = (pitches - self.lowest) * len(NOTE_DURATIONS) + durations
        return torch.cat([torch.full((n_melodies, 1), self.bos_id, device="cpu"), notes], dim=1)

    def log_probability(
        self, melodies: Int64[Tensor, "n_melodies T"] | IntegersLike
    ) -> Float64[Tensor, " n_melodies"]:
        r"""Logarithm of the probability with which :meth:`sample` draws each melody, in nats.

        It is exact, so no model of these melodies can have a lower mean negative log-likelihood
        than what this gives: minus its mean is the entropy. What :meth:`sample` never draws has
        :math:`-\infty`.

        Args:
            melodies: tokens, the first one that marks the beginning, then two notes or more.

        Raises:
            ValueError: if there is no batch of melodies of two notes or more, or a token is outside
                the vocabulary.
        """
        melodies = as_int64(melodies, "melodies", "encode makes tokens from notes")
        if melodies.ndim != 2 or len(melodies) == 0:
            raise ValueError(
                "expected the tokens of one melody a row, of shape (N, T), got the shape "
                f"{tuple(melodies.shape)}; a single one needs a batch of its own: melody[None]"
            )
        n_notes = melodies.shape[1] - 1
        if n_notes < 2:
            raise ValueError(f"the melodies have {n_notes} notes; a cadence needs at least 2")
        if not 0 <= int(melodies.min()) <= int(melodies.max()) < self.vocab_size:
            raise ValueError(f"a token is not in 0 … {self.vocab_size - 1}")
        notes = melodies[:, 1:]
        durations = notes % len(NOTE_DURATIONS)
        # A row and a column more: what lies outside the scale, the beginning's token included.
        n = len(self.pitches)
        degree_of = torch.full((self.highest - self.lowest + 2,), n, device="cpu")
        degree_of[torch.tensor(self.pitches, device="cpu") - self.lowest] = torch.arange(
            n, device="cpu"
        )
        degrees = degree_of[notes // len(NOTE_DURATIONS)]
        pad = torch.nn.functional.pad
        log_walk = pad(self._walk(), (0, 1, 0, 1)).log()
        log_cadence = pad(self._cadence(), (0, 1, 0, 1)).log()
        log_duration = torch.tensor(
            _PROBABILITY_OF_DURATION, dtype=torch.float64, device="cpu"
        ).log()

        # Of all walks that begin anywhere, those that end well are kept.
        ends_well = self._cadence().sum(dim=1)
        for _ in range(n_notes - 2):
            ends_well = self._walk() @ ends_well
        inside = torch.where(degrees[:, 0] < n, 0.0, -math.inf)
        starts_at_bos = torch.where(melodies[:, 0] == self.bos_id, 0.0, -math.inf)
        ends_long = torch.where(durations[:, -1] == len(NOTE_DURATIONS) - 1, 0.0, -math.inf)
        return (
            starts_at_bos + inside + ends_long - ends_well.sum().log()
            + log_walk[degrees[:, :-2], degrees[:, 1:-1]].sum(dim=1)
            + log_cadence[degrees[:, -2], degrees[:, -1]]
            + log_duration[durations[:, :-1]].sum(dim=1)
        )  # fmt: skip

    def _walk(self) -> Float64[Tensor, "P P"]:
        """Probability of each next note; steps that would leave the range are not taken."""
        n = len(self.pitches)
        walk = torch.zeros(n, n, dtype=torch.float64, device="cpu")
        for step, probability in _PROBABILITY_OF_STEP.items():
            walk += probability * torch.diag(walk.new_ones(n - abs(step)), step)
        return walk / walk.sum(dim=1, keepdim=True)

    def _cadence(self) -> Float64[Tensor, "P P"]:
        """Probability of a last step that goes by one degree and arrives at a tonic."""
        is_tonic = torch.tensor(
            [(pitch - self.tonic) % 12 == 0 for pitch in self.pitches], device="cpu"
        )
        by_one = torch.diag(torch.ones(len(is_tonic) - 1, device="cpu"), 1)
        return self._walk() * (by_one + by_one.T) * is_tonic


def share_in_scale(melody: Sequence[Note], style: MelodyStyle) -> float:
    """Share of a melody's notes that belong to the style's scale: 1 for what it makes itself.

    Raises:
        ValueError: if there is no note, or tokens in their place.
    """
    _check_notes(melody)
    return sum(style.is_in_scale(note.pitch) for note in melody) / len(melody)


def render_melody(
    melody: Sequence[Note], sample_rate: int = 16_000, *, seconds_per_step: float = 0.2
) -> Float32[Tensor, " T"]:
    """Play a melody: a waveform in [-1, 1] for an audio player.

    A note is four harmonics that begin softly and die away like a plucked string; it ends in
    silence, so that nothing clicks.

    Args:
        melody: the notes, one after the other.
        sample_rate: samples per second.
        seconds_per_step: length of a note of duration 1.

    Raises:
        ValueError: if there is no note or tokens in their place, if the rate is not a whole number
            of at least 1, or if a step has no length.
    """
    _check_notes(melody)
    sample_rate = as_count(sample_rate, "sample_rate")
    if not 0 < seconds_per_step < math.inf:
        raise ValueError(f"seconds_per_step must be above 0, got {seconds_per_step}")
    # Rounding the ends rather than the lengths keeps the beat over any number of notes.
    ends, steps = [0], 0
    for note in melody:
        steps += note.duration
        ends.append(round(steps * seconds_per_step * sample_rate))
    return torch.cat(
        [
            _play(note.pitch, end - start, sample_rate)
            for note, start, end in zip(melody, ends[:-1], ends[1:], strict=True)
        ]
    )


def _check_notes(melody: Any) -> None:
    """Refuse tokens, and a melody without notes."""
    if not isinstance(melody, Sequence) or not all(isinstance(note, Note) for note in melody):
        raise ValueError(
            "expected a melody as a list of notes, got something else; decode tokens: "
            "style.decode(tokens)"
        )
    if not melody:
        raise ValueError("the melody has no notes")


def _play(pitch: int, n_samples: int, sample_rate: int) -> Float32[Tensor, " T"]:
    time = torch.arange(n_samples, dtype=torch.float32, device="cpu") / sample_rate
    remaining = time.flip(0)  # exactly 0 at the last sample
    envelope = torch.exp(-time / _DECAY_SECONDS)
    envelope *= (time / _ATTACK_SECONDS).clamp(max=1) * (remaining / _RELEASE_SECONDS).clamp(max=1)
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    sound = torch.zeros_like(time)
    for harmonic, strength in enumerate(_STRENGTH_OF_HARMONIC, start=1):
        if harmonic * frequency < sample_rate / 2:
            sound += strength * torch.sin(2 * math.pi * harmonic * frequency * time)
    return envelope * sound / sum(_STRENGTH_OF_HARMONIC)
