"""Sound with the pitch and the formants that were asked for, and the μ-law and its inverse."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import (
    VOWEL_SAMPLE_RATE,
    VOWELS,
    mu_law_decode,
    mu_law_encode,
    synthetic_vowels,
)
from aigc_tutorial.data.synthetic.vowels import pulse_train, resonate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- source and filter --------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [100.0, 125.0, 163.7])
def test_a_pulse_train_is_the_sum_of_its_harmonics(frequency):
    train = pulse_train(torch.full((1, 900), frequency))
    phase = 2 * math.pi * frequency / VOWEL_SAMPLE_RATE * torch.arange(1, 901).double()
    harmonics = range(1, int(VOWEL_SAMPLE_RATE / 2 / frequency) + 1)
    expected = sum(torch.cos(k * phase) for k in harmonics)
    torch.testing.assert_close(train[0].double(), expected, atol=1e-3, rtol=1e-4)


def test_a_pulse_train_has_one_pulse_a_period():
    train = pulse_train(torch.full((1, VOWEL_SAMPLE_RATE), 100.0))[0]
    assert (train > 0.9 * train.max()).sum() == 100


def test_the_filter_is_the_recurrence_of_klatts_resonators():
    n = 400
    formants = torch.tensor([[700.0, 1200.0, 2500.0]])
    source = torch.randn(1, n, generator=seeded())
    expected = source[0].double().tolist()
    for frequency, bandwidth in zip(formants[0].tolist(), (60, 90, 150), strict=True):
        c = -math.exp(-2 * math.pi * bandwidth / VOWEL_SAMPLE_RATE)
        b = 2 * math.exp(-math.pi * bandwidth / VOWEL_SAMPLE_RATE)
        b *= math.cos(2 * math.pi * frequency / VOWEL_SAMPLE_RATE)
        y = [0.0, 0.0]
        for x in expected:
            y.append((1 - b - c) * x + b * y[-1] + c * y[-2])
        expected = y[2:]
    pole = math.exp(-2 * math.pi * 100 / VOWEL_SAMPLE_RATE)
    y = [0.0]
    for x in expected:
        y.append((1 - pole) * x + pole * y[-1])
    torch.testing.assert_close(
        resonate(source, formants)[0], torch.tensor(y[1:]), atol=1e-6, rtol=1e-4
    )


def test_the_filter_is_causal():
    formants = torch.tensor([[500.0, 1500.0, 2500.0]])
    impulse = torch.zeros(1, 300)
    impulse[0, 200] = 1
    response = resonate(impulse, formants)[0]
    assert response[:200].abs().max() < 1e-9
    assert response[200:].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("vowel", "formants"), [("a", (730, 1090)), ("i", (270, 2290)), ("e", (530, 1840))]
)
def test_the_spectrum_of_a_vowel_peaks_at_its_formants(vowel, formants):
    dataset = synthetic_vowels(100, rng=seeded(), n_samples=4_000)
    sounds = dataset.waveforms[dataset.labels == VOWELS.index(vowel)]
    spectrum = torch.fft.rfft(sounds).abs().square()
    spectrum = (spectrum / spectrum.sum(dim=1, keepdim=True)).mean(dim=0)
    # One bin is 2 Hz; averaging over 300 Hz blurs the harmonics and leaves the envelope.
    envelope = torch.nn.functional.avg_pool1d(spectrum[None], 151, 1, 75)[0]
    for formant in formants:
        near = envelope[formant // 2 - 100 : formant // 2 + 101]
        assert near.max() > 1.2 * min(near[0], near[-1])  # a hill, on a falling slope


def autocorrelation_pitch(sound):
    n = len(sound)
    spectrum = torch.fft.rfft(sound.double(), 2 * n).abs().square()
    correlation = torch.fft.irfft(spectrum)[:n]
    low, high = VOWEL_SAMPLE_RATE // 200, VOWEL_SAMPLE_RATE // 80
    return VOWEL_SAMPLE_RATE / (low + int(correlation[low:high].argmax()))


def test_a_vowel_begins_with_its_pitch():
    dataset = synthetic_vowels(40, rng=seeded())
    measured = [autocorrelation_pitch(sound[:400]) for sound in dataset.waveforms]
    relative = torch.tensor(measured) / dataset.pitches
    # Within 50 ms the pitch glides by up to 2 %; a few octave errors are the method's.
    assert ((relative - 1).abs() < 0.06).double().mean() > 0.8


# --- data set -----------------------------------------------------------------------------------


def test_a_vowel_is_as_loud_as_it_can_be_and_silent_after_its_end():
    dataset = synthetic_vowels(20, rng=seeded(), n_samples=1_000)
    assert dataset.waveforms.shape == (20, 1_000)
    assert len(dataset) == 20
    torch.testing.assert_close(dataset.waveforms.abs().amax(dim=1), torch.ones(20))
    after = torch.arange(1_000) >= dataset.lengths[:, None]
    assert (dataset.waveforms[after] == 0).all()
    assert ((dataset.lengths >= 600) & (dataset.lengths <= 1_000)).all()
    assert len(set(dataset.lengths.tolist())) > 10


def test_all_vowels_are_there_and_pitches_differ():
    dataset = synthetic_vowels(20, rng=seeded())
    assert dataset.labels.bincount().tolist() == [4] * len(VOWELS)
    assert ((dataset.pitches >= 90) & (dataset.pitches <= 180)).all()
    assert dataset.pitches.std() > 10


def test_the_seed_decides_the_sounds():
    a, b, c = (synthetic_vowels(5, rng=seeded(seed)).waveforms for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


# --- μ-law --------------------------------------------------------------------------------------


@given(levels=st.integers(2, 1024))
def test_every_token_comes_back(levels):
    tokens = torch.arange(levels)
    assert torch.equal(mu_law_encode(mu_law_decode(tokens, levels), levels), tokens)


@given(x=st.floats(-1, 1, width=32), levels=st.integers(16, 512))
def test_the_error_is_half_a_level_of_the_compressed_scale(x, levels):
    mu = levels - 1
    decoded = mu_law_decode(mu_law_encode(torch.tensor([x]), levels), levels).item()

    def compress(value):
        return math.copysign(math.log1p(mu * abs(value)) / math.log1p(mu), value)

    assert abs(compress(decoded) - compress(x)) <= 1 / mu + 1e-5


def test_the_mu_law_is_monotone_and_symmetric():
    x = torch.linspace(-1, 1, 2001)
    tokens = mu_law_encode(x)
    assert (tokens.diff() >= 0).all()
    assert tokens[[0, -1]].tolist() == [0, 255]
    decoded = mu_law_decode(torch.arange(256))
    torch.testing.assert_close(decoded, -decoded.flip(0))
    # Quiet sound is finer: the levels next to silence lie 200 times closer than the loudest.
    assert decoded.diff()[127] < decoded.diff()[-1] / 200


def test_louder_than_loudest_is_clipped():
    assert mu_law_encode(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_tokens_of_another_number_of_levels_are_refused():
    with pytest.raises(ValueError, match=r"0 … 63, got 0 … 64"):
        mu_law_decode(torch.tensor([0, 64]), levels=64)
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        mu_law_encode(torch.zeros(1), levels=1)
