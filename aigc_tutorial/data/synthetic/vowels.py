r"""Spoken vowels by the source-filter model, and the μ-law that turns sound into tokens.

The vocal folds give a train of pulses, whose pitch one hears; the throat and mouth are resonators
(formants), whose frequencies one hears as the vowel (Fant 1960, Acoustic theory of speech
production).
"""

import math
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Complex, Float, Float32, Int64
from torch import Tensor

from aigc_tutorial.data.checks import Samples, as_floats, require_rng
from aigc_tutorial.integers import IntegersLike, as_count, as_int64

VOWEL_SAMPLE_RATE = 8_000
"""Samples per second: telephone quality, enough for the three formants that make the vowel."""

VOWEL_FORMANTS = {
    "a": (730.0, 1090.0, 2440.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (270.0, 2290.0, 3010.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
"""Frequencies in Hz of the three resonances that make each vowel.

Averages over 33 men in Peterson and Barney (1952), Control methods used in a study of the vowels,
table II. Theirs are English: the vowels of hod, head, heed, hawed and who'd.
"""

VOWELS = tuple(VOWEL_FORMANTS)
"""The vowels by name, in the order of their labels."""

_BANDWIDTHS = (60.0, 90.0, 150.0)  # Hz; within the ranges of Klatt (1980), table I
_SOURCE_CORNER = 100.0  # Hz; above it the source falls by 6 dB per octave, lips included
_FADE_SECONDS = 0.01


@dataclass(frozen=True, eq=False)
class VowelDataset:
    """Short vowels, each of a random pitch and duration.

    Attributes:
        waveforms: samples in [-1, 1] at 8,000 per second; silence (0) after the vowel's end.
        labels: index into ``VOWELS``.
        lengths: samples of each vowel before the silence.
        pitches: fundamental frequency at the vowel's beginning, in Hz.
    """

    waveforms: Float32[Tensor, "N T"]
    labels: Int64[Tensor, " N"]
    lengths: Int64[Tensor, " N"]
    pitches: Float32[Tensor, " N"]

    def __len__(self) -> int:
        """Number of vowels."""
        return len(self.waveforms)


def synthetic_vowels(n: int, *, rng: torch.Generator, n_samples: int = 2_000) -> VowelDataset:
    """Make ``n`` vowels, the kinds in turn: a, e, i, o, u, and a again.

    The pitch begins at 90 to 180 Hz, as men speak, and glides up or down by up to a sixth. Every
    formant is up to 5 % away from the average. A vowel fills 60 to 100 % of ``n_samples``.
    """
    as_count(n, "n")
    as_count(n_samples, "n_samples", at_least=2)
    require_rng(rng)
    labels = torch.arange(n, device="cpu") % len(VOWELS)
    draw = partial(torch.rand, generator=rng, dtype=torch.float32, device="cpu")
    pitches = 90 * 2 ** draw(n)
    glides = 1 + (2 * draw(n) - 1) / 6
    deviations = 1 + 0.05 * (2 * draw(n, 3) - 1)
    lengths = (n_samples * (0.6 + 0.4 * draw(n))).long()

    progress = torch.arange(n_samples, dtype=torch.float32, device="cpu") / n_samples
    frequency = pitches[:, None] * (1 + (glides[:, None] - 1) * progress)
    means = torch.tensor(list(VOWEL_FORMANTS.values()), dtype=torch.float32, device="cpu")
    formants = means[labels] * deviations
    sound = resonate(pulse_train(frequency), formants)
    sound = sound * _fade(lengths, n_samples)
    waveforms = sound / sound.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)
    return VowelDataset(waveforms, labels, lengths, pitches)


def pulse_train(frequency: Float32[Tensor, "N T"]) -> Float32[Tensor, "N T"]:
    r"""One pulse a period: all harmonics equally loud, up to half the sample rate.

    .. math:: \sum_{k=1}^{K} \cos k \varphi
       = \frac12 \left( \frac{\sin (K + \frac12) \varphi}{\sin \frac12 \varphi} - 1 \right)

    Harmonics rather than single samples set to 1: a gliding pitch stays smooth, and nothing is
    folded back from above half the sample rate.

    Args:
        frequency: fundamental frequency of each sample in Hz.
    """
    phase = 2 * math.pi * (frequency.double() / VOWEL_SAMPLE_RATE).cumsum(dim=1)
    n_harmonics = (VOWEL_SAMPLE_RATE / 2 / frequency.double()).floor()
    denominator = (phase / 2).sin()
    # Where both sines vanish, all cosines are 1.
    at_pulse = denominator.abs() < 1e-9
    ratio = ((n_harmonics + 0.5) * phase).sin() / denominator.masked_fill(at_pulse, 1)
    return torch.where(at_pulse, n_harmonics, (ratio - 1) / 2).float()


def resonate(
    source: Float32[Tensor, "N T"], formants: Float32[Tensor, "N F"]
) -> Float32[Tensor, "N T"]:
    r"""Send a source through one resonator after another, and a gentle low pass.

    A resonator with frequency f and bandwidth b is :math:`y_t = (1 - B - C) x_t + B y_{t-1} + C
    y_{t-2}` with :math:`C = -e^{-2 \pi b}` and :math:`B = 2 e^{-\pi b} \cos 2 \pi f`, frequencies
    in units of the sample rate (Klatt 1980, Software for a cascade/parallel formant synthesizer,
    equations 1 and 2). It is computed as a product of spectra; zeros behind the source keep its end
    from running into its beginning.
    """
    n_samples = source.shape[1]
    n_padded = n_samples + VOWEL_SAMPLE_RATE // 4  # the ringing has died away by more than exp(-47)
    angle = 2 * math.pi * torch.fft.rfftfreq(n_padded, dtype=torch.float64, device="cpu")
    delay = torch.polar(torch.ones_like(angle), -angle)
    spectrum = torch.fft.rfft(source.double(), n_padded)
    for frequency, bandwidth in zip(formants.double().T, _BANDWIDTHS, strict=True):
        spectrum = spectrum * _resonator(frequency, bandwidth, delay)
    pole = math.exp(-2 * math.pi * _SOURCE_CORNER / VOWEL_SAMPLE_RATE)
    spectrum = spectrum * (1 - pole) / (1 - pole * delay)
    return torch.fft.irfft(spectrum, n_padded)[:, :n_samples].float()


def _resonator(
    frequency: Float[Tensor, " N"], bandwidth: float, delay: Complex[Tensor, " K"]
) -> Complex[Tensor, "N K"]:
    decay = math.exp(-math.pi * bandwidth / VOWEL_SAMPLE_RATE)
    b = 2 * decay * torch.cos(2 * math.pi * frequency / VOWEL_SAMPLE_RATE)[:, None]
    c = -(decay**2)
    return (1 - b - c) / (1 - b * delay - c * delay**2)


def _fade(lengths: Int64[Tensor, " N"], n_samples: int) -> Float32[Tensor, "N T"]:
    """Volume of each sample: up and down within 10 ms at the ends, 0 after the end."""
    time = torch.arange(n_samples, dtype=torch.float32, device="cpu")
    n_fade = _FADE_SECONDS * VOWEL_SAMPLE_RATE
    rise = (time / n_fade).clamp(max=1)
    fall = ((lengths[:, None] - time) / n_fade).clamp(0, 1)
    return rise * fall


def mu_law_encode(waveform: Samples, levels: int = 256) -> Int64[Tensor, "..."]:
    r"""Round sound to tokens 0 … levels - 1, finer where it is quiet, as the ear hears.

    .. math:: F(x) = \operatorname{sign}(x) \frac{\log(1 + \mu |x|)}{\log(1 + \mu)},
       \qquad \mu = \text{levels} - 1

    This is the smooth curve that ITU-T G.711 approximates by straight pieces, as WaveNet uses it
    (van den Oord et al. 2016). Values outside [-1, 1] are clipped.

    Raises:
        ValueError: if a value is no finite floating point number.
    """
    as_count(levels, "levels", at_least=2)
    mu = levels - 1
    x = as_floats(waveform, "waveform", "Divide 16-bit sound by 32768.").clamp(-1, 1)
    compressed = x.sign() * (mu * x.abs()).log1p() / math.log1p(mu)
    return ((compressed + 1) / 2 * mu).round().long()


def mu_law_decode(tokens: IntegersLike, levels: int = 256) -> Float32[Tensor, "..."]:
    """Turn tokens back into sound in [-1, 1]: the inverse of :func:`mu_law_encode`, but rounded.

    Raises:
        ValueError: if a token is not in 0 … levels - 1.
    """
    as_count(levels, "levels", at_least=2)
    tokens = as_int64(tokens, "tokens", "mu_law_encode makes them from sound")
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < levels:
        raise ValueError(
            f"tokens must lie in 0 … {levels - 1}, got {int(tokens.min())} … {int(tokens.max())}"
        )
    mu = levels - 1
    compressed = 2 * tokens.float() / mu - 1
    return compressed.sign() * (compressed.abs() * math.log1p(mu)).expm1() / mu
