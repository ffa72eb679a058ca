"""Melodies that keep to their scale and come home, tokens that lose nothing, sound in tune."""

import itertools
import math
from inspect import unwrap

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import (
    NOTE_DURATIONS,
    SCALES,
    MelodyStyle,
    Note,
    render_melody,
    share_in_scale,
)
from aigc_tutorial.data.synthetic.melodies import _PROBABILITY_OF_STEP

STYLES = [MelodyStyle(), MelodyStyle("minor", tonic=57), MelodyStyle("pentatonic", tonic=62)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.scale)
@pytest.mark.parametrize("n_notes", [2, 3, 16])
def test_melodies_keep_to_the_scale_and_end_on_the_tonic(style, n_notes):
    pitches = style.pitches
    for tokens in style.sample(50, n_notes, rng=seeded()):
        assert tokens[0] == style.bos_id
        melody = style.decode(tokens)
        assert len(melody) == n_notes
        assert share_in_scale(melody, style) == 1
        assert melody[-1].duration == max(NOTE_DURATIONS)
        assert (melody[-1].pitch - style.tonic) % 12 == 0
        degrees = [pitches.index(note.pitch) for note in melody]
        steps = [b - a for a, b in itertools.pairwise(degrees)]
        assert set(steps) <= set(_PROBABILITY_OF_STEP)
        assert abs(steps[-1]) == 1


def test_walks_are_drawn_from_all_that_end_as_they_must():
    """Against the slow way: list all walks of four notes with their probabilities."""
    style = MelodyStyle("pentatonic", lowest=60, highest=72)
    pitches = style.pitches
    n = len(pitches)
    weights = {}
    for walk in itertools.product(range(n), repeat=4):
        probability = 1.0
        for a, b in itertools.pairwise(walk):
            reachable = sum(p for s, p in _PROBABILITY_OF_STEP.items() if 0 <= a + s < n)
            probability *= _PROBABILITY_OF_STEP.get(b - a, 0) / reachable
        ends_well = pitches[walk[-1]] % 12 == 0 and abs(walk[-1] - walk[-2]) == 1
        if probability and ends_well:
            weights[walk] = probability
    total = sum(weights.values())

    n_melodies = 20_000
    tokens = style.sample(n_melodies, 4, rng=seeded())
    index_of = {pitch: i for i, pitch in enumerate(pitches)}
    counts = dict.fromkeys(weights, 0)
    for row in tokens.tolist():
        found = tuple(index_of[60 + token // len(NOTE_DURATIONS)] for token in row[1:])
        counts[found] += 1
    chi_squared = sum(
        (counts[walk] - n_melodies * w / total) ** 2 / (n_melodies * w / total)
        for walk, w in weights.items()
    )
    freedom = len(weights) - 1
    assert abs(chi_squared - freedom) < 5 * (2 * freedom) ** 0.5


def test_log_probabilities_are_those_of_all_melodies_and_sum_to_one():
    style = MelodyStyle("pentatonic", lowest=60, highest=72)
    melodies = [
        [Note(a, d), Note(b, e), Note(c, 4)]
        for a, b, c in itertools.product(style.pitches, repeat=3)
        for d, e in itertools.product(NOTE_DURATIONS, repeat=2)
    ]
    log_p = style.log_probability(torch.stack([style.encode(melody) for melody in melodies]))
    assert log_p.exp().sum().item() == pytest.approx(1)
    # C A C: all first notes are equally likely, A is two degrees below C, and C one above G.
    steps = _PROBABILITY_OF_STEP
    assert torch.isfinite(log_p).sum() < len(melodies)
    up = style.log_probability(style.encode([Note(64, 1), Note(62, 2), Note(60, 4)])[None])
    down = style.log_probability(style.encode([Note(67, 1), Note(62, 2), Note(60, 4)])[None])
    ratio = math.exp(up.item() - down.item())
    # From the middle note E one may go everywhere; from G one may not go up by two degrees less.
    reach = sum(p for s, p in steps.items() if 0 <= 3 + s <= 5)
    assert ratio == pytest.approx(steps[-1] / (steps[-2] / reach))


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.scale)
def test_what_is_drawn_has_a_probability_and_its_share(style):
    melodies = style.sample(2_000, 6, rng=seeded())
    log_p = style.log_probability(melodies)
    assert torch.isfinite(log_p).all()
    # The entropy of durations is known, and what is left is that of a walk over the scale.
    assert 6 < -log_p.mean() < 6 * math.log(3 * 5)


def test_what_is_never_drawn_has_no_probability():
    style = MelodyStyle()
    good = style.sample(1, 5, rng=seeded())
    bad = good.repeat(5, 1)
    bad[0, 2] += 3  # a semitone up: not in the scale, or too large a step
    bad[1, -1] -= 1  # the last note is not a half
    bad[2, 0] = 0  # does not begin with the beginning
    bad[3, 3] = style.bos_id
    bad[4] = style.encode([Note(60, 1), Note(60, 1), Note(60, 1), Note(62, 1), Note(62, 4)])
    assert torch.isfinite(style.log_probability(good)).all()
    assert (style.log_probability(bad[1:]) == -math.inf).all()
    assert style.log_probability(style.encode([Note(61, 1), Note(60, 4)])[None]) == -math.inf
    with pytest.raises(ValueError, match="at least 2"):
        style.log_probability(good[:, :2])
    with pytest.raises(ValueError, match="0 … 60"):
        style.log_probability(good + 61)


def test_the_vocabulary_does_not_know_the_scale():
    style = MelodyStyle()
    everything = style.decode(torch.arange(style.vocab_size))
    assert len(everything) == style.vocab_size - 1 == 20 * len(NOTE_DURATIONS)
    assert {note.pitch for note in everything} == set(range(60, 80))
    # A model that has learnt nothing: 12 of the 20 semitones from C4 to G5 are in C major.
    assert share_in_scale(everything, style) == 12 / 20


notes = st.builds(Note, st.integers(60, 79), st.sampled_from(NOTE_DURATIONS))


@given(melody=st.lists(notes, max_size=20))
def test_encoding_loses_nothing(melody):
    style = MelodyStyle()
    tokens = style.encode(melody)
    assert len(tokens) == len(melody) + 1
    assert style.decode(tokens) == melody


@given(pitch=st.integers(0, 127))
def test_the_scale_is_the_same_in_every_octave(pitch):
    white_keys = {0, 2, 4, 5, 7, 9, 11}
    assert MelodyStyle("major", tonic=60).is_in_scale(pitch) == (pitch % 12 in white_keys)
    assert MelodyStyle("minor", tonic=57).is_in_scale(pitch) == (pitch % 12 in white_keys)


def test_scales_begin_on_the_tonic_and_stay_within_an_octave():
    for steps in SCALES.values():
        assert steps[0] == 0
        assert list(steps) == sorted(set(steps))
        assert steps[-1] < 12


def test_the_seed_decides_the_melodies():
    a, b, c = (MelodyStyle().sample(4, 8, rng=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == (4, 9)
    assert a.dtype == torch.int64


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="expected one of major, minor, pentatonic"):
        MelodyStyle("blues")
    with pytest.raises(ValueError, match="octave"):
        MelodyStyle(lowest=60, highest=71)
    style = MelodyStyle()
    with pytest.raises(ValueError, match="at least 2"):
        style.sample(1, 1, rng=seeded())
    with pytest.raises(ValueError, match="expected a pitch of 60 to 79"):
        style.encode([Note(59, 1)])
    with pytest.raises(ValueError, match="duration"):
        style.encode([Note(60, 3)])
    with pytest.raises(ValueError, match="token 61 is not in 0 … 60"):
        style.decode(torch.tensor([61]))
    with pytest.raises(ValueError, match="no notes"):
        share_in_scale([], style)
    with pytest.raises(ValueError, match="no notes"):
        render_melody([])
    for rate in (0, 8_000.0):
        with pytest.raises(ValueError, match="sample_rate must be at least 1"):
            unwrap(render_melody)([Note(60, 1)], rate)
    for seconds in (0, math.inf):
        with pytest.raises(ValueError, match="seconds_per_step must be above 0"):
            render_melody([Note(60, 1)], seconds_per_step=seconds)


# --- sound --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pitch", "frequency"), [(69, 440.0), (81, 880.0), (60, 261.63)])
def test_a_note_sounds_at_its_pitch(pitch, frequency):
    sound = render_melody([Note(pitch, 4)], 8_000, seconds_per_step=0.25)
    spectrum = torch.fft.rfft(sound).abs()
    assert len(sound) == 8_000  # a second, so that a bin is a hertz
    assert spectrum.argmax().item() == pytest.approx(frequency, abs=1)


def test_a_melody_lasts_as_long_as_its_notes_and_does_not_click():
    melody = [Note(60, 1), Note(64, 2), Note(67, 4)] * 5
    sound = render_melody(melody, 11_025, seconds_per_step=0.1)
    assert len(sound) == round(35 * 0.1 * 11_025)
    assert sound.abs().max() <= 1
    assert sound.abs().max() > 0.5
    steps = itertools.accumulate(note.duration for note in melody)
    ends = torch.tensor([round(step * 0.1 * 11_025) for step in steps])
    assert sound[ends - 1].abs().max() == 0


def test_harmonics_above_half_the_sample_rate_are_left_out():
    high = render_melody([Note(79, 4)], 2_000)  # 784 Hz: its second harmonic would be folded back
    spectrum = torch.fft.rfft(high).abs()
    frequency = torch.fft.rfftfreq(len(high), 1 / 2_000)
    folded = (frequency - (2_000 - 2 * 784)).abs() < 30
    assert spectrum[folded].max() < 0.02 * spectrum.max()
