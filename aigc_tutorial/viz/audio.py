"""Sound and notes on a page: a player that needs no kernel, a spectrogram, a piano roll."""

import base64
import html
import io
import wave
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from aigc_tutorial.data.checks import Samples, as_floats
from aigc_tutorial.data.synthetic.melodies import Note
from aigc_tutorial.integers import as_count
from aigc_tutorial.pages.display import Shown, show
from aigc_tutorial.viz.labels import written
from aigc_tutorial.viz.style import BLUE, INK, VERMILLION, new_axes, style

_WINDOW_SECONDS = 0.008
_NOTE_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_BLACK_KEYS = {1, 3, 6, 8, 10}


def audio_player(waveform: Samples, sample_rate: int, *, label: str) -> None:
    """Show a player of a sound, with its label above it; the sound is in the page itself.

    It needs no kernel and no request: the samples are a WAV file of 16 bits in the element's
    address. A second at 8,000 samples costs 21 kB.

    Args:
        waveform: samples in [-1, 1].
        sample_rate: samples per second.
        label: what is to be heard; also what a screen reader calls the player.

    Raises:
        ValueError: if there is no sample, one is outside [-1, 1] or not a number, there is more
            than one channel, or the rate is not a whole number of at least 1.
    """
    waveform = _one_channel(waveform)
    data = base64.b64encode(wav_bytes(waveform, sample_rate)).decode("ascii")
    name = html.escape(label)
    seconds = len(waveform) / sample_rate
    show(
        Shown(
            plain=f"♪ {label} ({seconds:.1f} s)",
            html=(
                '<figure style="margin: 0.5em 0; text-align: left">'
                f'<figcaption style="color: inherit; text-align: left">{name}</figcaption>'
                f'<audio controls preload="metadata" aria-label="{name}" '
                'style="width: 100%; max-width: 30em" '
                f'src="data:audio/wav;base64,{data}"></audio></figure>'
            ),
        )
    )


def wav_bytes(waveform: Samples, sample_rate: int) -> bytes:
    """A WAV file of one channel and 16 bits a sample; 1 becomes 32,767.

    Raises:
        ValueError: as :func:`audio_player` does.
    """
    waveform = _one_channel(waveform)
    sample_rate = as_count(sample_rate, "sample_rate")
    if len(waveform) == 0:
        raise ValueError("there is no sample to play")
    loudest = float(waveform.abs().max())
    if not loudest <= 1:
        raise ValueError(
            f"the loudest sample is {loudest:.3g}; a sample outside [-1, 1] would be clipped. "
            "Divide by the loudest one"
        )
    samples = (waveform.float() * 32_767).round().to(torch.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.numpy().astype("<i2").tobytes())
    return buffer.getvalue()


def _one_channel(waveform: Samples) -> Float[Tensor, " T"]:
    """A sound on the CPU; several channels would be taken for one after the other.

    Raises:
        ValueError: if there are several, or the samples are whole numbers or not finite.
    """
    samples = as_floats(waveform, "waveform", "Divide 16-bit sound by 32768.").cpu()
    if samples.ndim != 1:
        raise ValueError(
            f"expected the samples of one channel, shape (T,), got {tuple(samples.shape)}; take "
            "one channel, or the mean of all: waveform.mean(dim=0)"
        )
    return samples


def spectrogram(
    waveform: Samples,
    sample_rate: int,
    *,
    marks: Mapping[str, float] | None = None,
    title: str = "",
    range_db: float = 60.0,
    ax: Axes | None = None,
) -> Axes:
    """Show how loud each frequency is at each time: dark is loud.

    Windows of 8 ms are short enough to see single pulses of a voice, and blur frequencies by about
    200 Hz: its formants show as dark bands, its harmonics do not.

    Args:
        waveform: the sound, at least 8 ms of it.
        sample_rate: samples per second.
        marks: frequencies in Hz to mark at the right edge, by name; for example formants.
        title: text above the figure.
        range_db: what is so many decibels below the loudest is white.
        ax: axes to draw into; by default those of a new figure.

    Raises:
        ValueError: as :func:`stft_power` does.
    """
    waveform = _one_channel(waveform)
    power = stft_power(waveform, sample_rate)
    decibels = 10 * (power / power.max().clamp(min=1e-20)).clamp(min=1e-20).log10()
    with style():
        ax = new_axes(6.5, 2.4) if ax is None else ax
        ax.imshow(
            decibels.numpy(),
            origin="lower",
            aspect="auto",
            cmap="gray_r",
            vmin=-range_db,
            vmax=0,
            extent=(0, len(waveform) / sample_rate, 0, sample_rate / 2000),
            interpolation="bilinear",
        )
        for name, frequency in (marks or {}).items():
            ax.plot(
                1.0, frequency / 1000, marker="<", color=VERMILLION, markersize=5, clip_on=False,
                transform=ax.get_yaxis_transform(),
            )  # fmt: skip
            ax.annotate(
                written(name), (1.0, frequency / 1000), xytext=(6, 0), textcoords="offset points",
                xycoords=ax.get_yaxis_transform(), va="center", fontsize=8, annotation_clip=False,
                parse_math=False,
            )  # fmt: skip
        ax.set_xlabel("time (s)")
        ax.set_ylabel("frequency (kHz)")
        if title:
            ax.set_title(written(title), parse_math=False)
    return ax


def stft_power(waveform: Samples, sample_rate: int) -> Float[Tensor, "F K"]:
    """Power of each frequency from 0 to half the sample rate, in windows that overlap by 7/8.

    Raises:
        ValueError: if the sound is shorter than a window, not finite, or of several channels, or if
            the rate is not a whole number, or so low that a window holds no sample.
    """
    waveform = _one_channel(waveform)
    n_window = round(_WINDOW_SECONDS * as_count(sample_rate, "sample_rate"))
    if n_window == 0:
        raise ValueError(
            f"a window of 8 ms holds no sample at a sample_rate of {sample_rate}; expected samples "
            "per second, 8,000 for example"
        )
    if len(waveform) < n_window:
        raise ValueError(
            f"the sound has {len(waveform)} samples, a window of 8 ms has {n_window}; give more"
        )
    window = torch.hann_window(n_window, dtype=torch.float32, device=waveform.device)
    spectra = torch.stft(
        waveform.float(),
        n_fft=4 * n_window,
        win_length=n_window,
        hop_length=max(1, n_window // 8),
        window=window,
        return_complex=True,
        pad_mode="constant",
    )
    return spectra.abs().square()


def piano_roll(
    melody: Sequence[Note],
    *,
    in_scale: Sequence[bool] | None = None,
    pitches: tuple[int, int] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a melody as a piano roll: time to the right, pitch upwards, a bar for each note.

    Rows of black keys are shaded, as on a keyboard seen from the side.

    Args:
        melody: the notes, one after the other.
        in_scale: whether each note belongs to the scale; those that do not are drawn hatched and in
            another colour.
        pitches: lowest and highest row as MIDI numbers; by default those of the melody.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.

    Raises:
        ValueError: if there is no note, ``in_scale`` has another length, or a note lies outside of
            ``pitches``, where it would not be seen.
    """
    if not melody:
        raise ValueError("the melody has no notes to draw")
    belongs = [True] * len(melody) if in_scale is None else list(in_scale)
    if len(belongs) != len(melody):
        raise ValueError(f"in_scale has {len(belongs)} entries for {len(melody)} notes")
    used = [note.pitch for note in melody]
    lowest, highest = (min(used), max(used)) if pitches is None else pitches
    if not lowest <= min(used) <= max(used) <= highest:
        raise ValueError(
            f"the notes go from {min(used)} to {max(used)}, and pitches shows {lowest} to "
            f"{highest} alone; take in all of them, or leave pitches out"
        )
    ends = np.cumsum([note.duration for note in melody])
    with style():
        ax = new_axes(6.5, 2.2) if ax is None else ax
        for pitch in range(lowest, highest + 1):
            if pitch % 12 in _BLACK_KEYS:
                ax.axhspan(pitch - 0.5, pitch + 0.5, color=INK, alpha=0.08, linewidth=0)
        for note, end, good in zip(melody, ends, belongs, strict=True):
            ax.barh(
                note.pitch, note.duration - 0.1, left=end - note.duration, height=0.8,
                color=BLUE if good else VERMILLION, hatch=None if good else "////",
                edgecolor="white", linewidth=0,
            )  # fmt: skip
        ax.set_xlim(0, ends[-1])
        ax.set_ylim(lowest - 0.5, highest + 0.5)
        named = [pitch for pitch in range(lowest, highest + 1) if pitch % 12 in (0, 7)]
        ax.set_yticks(named, [note_name(pitch) for pitch in named])
        ax.set_xlabel("time (eighths)")
        if title:
            ax.set_title(written(title), parse_math=False)
    return ax


def note_name(pitch: int) -> str:
    """Name of a MIDI pitch with its octave.

    >>> note_name(60), note_name(69), note_name(70)
    ('C4', 'A4', 'B♭4')
    """
    return f"{_NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"
