"""Players that hold their sound, spectrograms dark where the tone is, a bar for each note."""

import base64
import io
import re
import wave
from inspect import unwrap

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from aigc_tutorial import viz
from aigc_tutorial.data import Note
from aigc_tutorial.pages.display import Shown
from aigc_tutorial.viz import audio

RATE = 8_000


def tone(frequency, seconds=0.2, volume=0.5):
    time = torch.arange(int(seconds * RATE)) / RATE
    return volume * torch.sin(2 * torch.pi * frequency * time)


def read_wav(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def shown_by(function, monkeypatch):
    shown: list[Shown] = []
    monkeypatch.setattr(audio, "show", shown.append)
    function()
    (only,) = shown
    return only


def test_the_player_holds_the_sound_and_names_it(monkeypatch):
    sound = tone(440)
    shown = shown_by(lambda: viz.audio_player(sound, RATE, label='a "440 Hz" tone'), monkeypatch)
    page = shown._repr_html_()
    (data,) = re.findall(r'src="data:audio/wav;base64,([^"]+)"', page)
    samples = read_wav(base64.b64decode(data))
    np.testing.assert_allclose(samples / 32_767, sound.numpy(), atol=1 / 32_767)
    assert " controls" in page
    assert 'aria-label="a &quot;440 Hz&quot; tone"' in page
    assert "http" not in page
    assert repr(shown) == '♪ a "440 Hz" tone (0.2 s)'


@pytest.mark.parametrize("rate", [0, -8_000, 8_000.0, True])
def test_a_sample_rate_is_a_whole_number(rate):
    for function in (audio.wav_bytes, audio.stft_power):
        with pytest.raises(ValueError, match="sample_rate must be at least 1"):
            unwrap(function)(tone(440), rate)


def test_neither_a_player_nor_a_spectrogram_has_no_samples_a_second():
    with pytest.raises(ValueError, match="sample_rate must be at least 1"):
        viz.audio_player(tone(440), 0, label="a tone")
    with pytest.raises(ValueError, match="sample_rate must be at least 1"):
        viz.spectrogram(tone(440), 0)
    with pytest.raises(ValueError, match="holds no sample at a sample_rate of 50"):
        audio.stft_power(tone(440), 50)


def test_the_loudest_sample_is_kept_and_louder_is_refused():
    assert read_wav(audio.wav_bytes(torch.tensor([-1.0, 0.0, 1.0]), RATE)).tolist() == [
        -32_767,
        0,
        32_767,
    ]
    with pytest.raises(ValueError, match=r"loudest sample is 1.5"):
        viz.audio_player(torch.tensor([0.0, -1.5]), RATE, label="too loud")
    with pytest.raises(ValueError, match="1 entries that are NaN"):
        viz.audio_player(torch.tensor([0.0, float("nan")]), RATE, label="no number")
    with pytest.raises(ValueError, match="no sample"):
        viz.audio_player(torch.tensor([]), RATE, label="silence")
    with pytest.raises(ValueError, match=r"loudest sample is 1.5"):
        audio.wav_bytes(torch.tensor([0.0, -1.5]), RATE)


def test_channels_are_not_played_one_after_the_other():
    for wrong in (torch.zeros(2, 800), torch.zeros(800, 2), torch.zeros(1, 800), torch.tensor(0.5)):
        for function in (audio.wav_bytes, audio.stft_power, viz.spectrogram):
            with pytest.raises(ValueError, match="expected the samples of one channel"):
                function(wrong, RATE)


def test_a_sound_is_taken_from_whatever_holds_it(monkeypatch):
    shown: list[Shown] = []
    monkeypatch.setattr(audio, "show", shown.append)
    sound = tone(440)
    viz.audio_player(sound, RATE, label="A")
    power = audio.stft_power(sound, RATE)
    for same in (sound.numpy(), sound.tolist(), sound.clone().requires_grad_(), sound.double()):
        viz.audio_player(same, RATE, label="A")
        viz.spectrogram(same, RATE)
        torch.testing.assert_close(audio.stft_power(same, RATE), power)
    assert {player.html for player in shown} == {shown[0].html}
    for function in (audio.wav_bytes, audio.stft_power):
        with pytest.raises(ValueError, match=r"floating point numbers, got .*int16\. .* 32768"):
            function(np.zeros(800, np.int16), RATE)


@pytest.mark.parametrize("frequency", [500.0, 1_000.0, 3_000.0])
def test_the_power_is_where_the_tone_is(frequency):
    power = audio.stft_power(tone(frequency), RATE)
    frequencies = torch.linspace(0, RATE / 2, len(power))
    middle = power[:, power.shape[1] // 4 : -power.shape[1] // 4].mean(dim=1)
    assert abs(float(frequencies[middle.argmax()]) - frequency) <= 20


def test_a_spectrogram_has_its_axes_and_marks():
    ax = viz.spectrogram(tone(1_000), RATE, marks={"F1": 1_000.0}, title="a tone")
    (image,) = ax.get_images()
    assert image.get_extent() == pytest.approx([0, 0.2, 0, 4])
    picture = np.asarray(image.get_array())
    assert picture.max() == pytest.approx(0, abs=1e-4)
    row = int(picture[:, picture.shape[1] // 2].argmax())
    assert row / len(picture) == pytest.approx(0.25, abs=0.02)  # 1 of 4 kHz from below
    assert [text.get_text() for text in ax.texts] == ["F1"]
    assert ax.get_title(loc="left") == "a tone"
    assert ax.get_xlabel() == "time (s)"
    with pytest.raises(ValueError, match="a window of 8 ms has 64"):
        viz.spectrogram(torch.zeros(63), RATE)


def test_silence_is_drawn_and_not_divided_by():
    ax = viz.spectrogram(torch.zeros(400), RATE)
    assert np.isfinite(np.asarray(ax.get_images()[0].get_array())).all()


def test_a_piano_roll_has_a_bar_for_each_note():
    melody = [Note(60, 1), Note(67, 2), Note(61, 4)]
    ax = viz.piano_roll(melody, in_scale=[True, True, False], title="three notes")
    rectangles = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    bars = [bar for bar in rectangles if bar.get_height() == pytest.approx(0.8)]
    assert [bar.get_x() for bar in bars] == [0, 1, 3]
    assert [bar.get_y() + 0.4 for bar in bars] == pytest.approx([60, 67, 61])
    assert [bar.get_width() for bar in bars] == pytest.approx([0.9, 1.9, 3.9])
    assert [bool(bar.get_hatch()) for bar in bars] == [False, False, True]
    assert bars[0].get_facecolor() != bars[2].get_facecolor()
    assert ax.get_xlim() == (0, 7)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["C4", "G4"]


def test_a_piano_roll_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="no notes"):
        viz.piano_roll([])
    with pytest.raises(ValueError, match="2 entries for 1 notes"):
        viz.piano_roll([Note(60, 1)], in_scale=[True, False])
    with pytest.raises(ValueError, match="from 60 to 72, and pitches shows 60 to 64 alone"):
        viz.piano_roll([Note(60, 1), Note(72, 1)], pitches=(60, 64))


def test_notes_have_their_names():
    assert [viz.note_name(pitch) for pitch in (60, 69, 70, 71, 72)] == [
        "C4",
        "A4",
        "B♭4",
        "B4",
        "C5",
    ]
