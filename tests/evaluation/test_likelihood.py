"""Every token scored once, given no more than it may see; sums, units and errors of the report."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.data import pack_sequences, pad_sequences
from aigc_tutorial.evaluation.likelihood import sequence_likelihood, text_likelihood
from tests.ar.small_models import CONTEXT, V, make


class Recorder(torch.nn.Module):
    """A model whose loss at a token is a function of it, and which notes what it was shown."""

    def __init__(self):
        super().__init__()
        self.device = torch.device("cpu")
        self.seen = {}

    def nll(self, tokens, mask=None):
        assert not self.training
        assert not torch.is_grad_enabled()
        for row in tokens.tolist():
            for place, token in enumerate(row[1:], start=1):
                self.seen.setdefault(token, []).append(place)
        nll = tokens[:, 1:].float()
        return nll if mask is None else nll * mask[:, 1:]


class Uniform(Recorder):
    def nll(self, tokens, mask=None):
        return super().nll(tokens, mask) * 0 + math.log(7)


windows = st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@given(n=st.integers(2, 80), window=windows, size=st.integers(1, 5))
def test_each_token_but_the_first_is_scored_once(n, window, size):
    """With the token's number as its loss, the sum over 1 … n - 1 tells that none is missing."""
    context, stride = window
    report = text_likelihood(
        Recorder(), torch.arange(n), context=context, stride=stride, batch_size=size
    )
    assert report.nats == n * (n - 1) / 2
    assert report.n_predictions == n - 1


@given(n=st.integers(2, 60), window=windows)
def test_a_prediction_sees_as_much_as_the_protocol_says(n, window):
    context, stride = window
    model = Recorder()
    text_likelihood(model, torch.arange(n), context=context, stride=stride)
    for token, seen in model.seen.items():
        assert max(seen) >= min(token, context - stride + 1)
        assert max(seen) <= context


def test_windows_one_after_the_other_are_the_default():
    model = Recorder()
    text_likelihood(model, torch.arange(11), context=4)
    assert [model.seen[token] for token in range(1, 11)] == [
        [1], [2], [3], [4], [1], [2], [3], [4], [1], [2],
    ]  # fmt: skip


def test_units():
    report = text_likelihood(Uniform(), torch.zeros(101, dtype=torch.int64), context=10)
    assert report.nats_per_token == pytest.approx(math.log(7))
    assert report.bits_per_token == pytest.approx(math.log2(7))
    assert report.perplexity == pytest.approx(7)
    assert report.bits_per(50) == pytest.approx(2 * math.log2(7))  # two tokens a byte
    assert report.nats_per_sequence == pytest.approx(10 * math.log(7))
    assert report.standard_error == pytest.approx(0, abs=1e-6)
    assert "windows of 10 given tokens, one after the other" in report.protocol
    with pytest.raises(ValueError, match="n_units"):
        report.bits_per(0)


def test_padding_is_not_scored():
    tokens = torch.tensor([[0, 1, 2, 9, 9], [0, 1, 2, 3, 4]])
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    report = sequence_likelihood(Recorder(), (tokens, mask), batch_size=1)
    assert report.nats == 1 + 2 + 1 + 2 + 3 + 4
    assert report.n_predictions == 6
    assert report.n_sequences == 2


class Pixels(Recorder):
    def nll(self, tokens, mask=None):
        assert mask is not None
        return tokens.float() + mask[:, None, None]  # the labels come second


def test_images_are_scored_pixel_by_pixel():
    levels, labels = torch.ones(5, 2, 3, dtype=torch.int64), torch.tensor([0, 0, 0, 0, 5])
    report = sequence_likelihood(Pixels(), (levels, labels), batch_size=2)
    assert report.n_predictions == 30
    assert report.nats_per_sequence == pytest.approx((4 * 6 + 36) / 5)
    assert report.bits_per_token == pytest.approx(2 / math.log(2))


def test_standard_error_is_that_of_the_mean_over_sequences():
    """For sequences of one length it is the textbook's: s / √K."""
    tokens = torch.randint(0, 50, (40, 9), generator=torch.Generator().manual_seed(0))
    for n in (2, 40):
        report = sequence_likelihood(Recorder(), tokens[:n])
        means = tokens[:n, 1:].float().mean(1)
        assert report.standard_error == pytest.approx(means.std().item() / math.sqrt(n), rel=1e-5)
    assert math.isnan(sequence_likelihood(Recorder(), tokens[:1]).standard_error)


def test_training_mode_is_restored():
    model = Recorder().train()
    text_likelihood(model, torch.arange(10), context=3)
    assert model.training


class Broken(Recorder):
    def nll(self, tokens, mask=None):
        return tokens[:, 1:] * float("nan")


def test_nothing_and_nonsense_are_refused():
    text = torch.arange(10)
    with pytest.raises(ValueError, match="two tokens or more, got 1"):
        text_likelihood(Recorder(), text[:1], context=3)
    with pytest.raises(ValueError, match="1 <= stride <= context"):
        text_likelihood(Recorder(), text, context=3, stride=4)
    # A float is refused in the same words; the tests' type checker refuses it first.
    for name in ("context", "stride", "batch_size"):
        with pytest.raises(ValueError, match=rf"{name} must be at least 1, a whole number"):
            text_likelihood(Recorder(), text, **{"context": 4, name: True})
    with pytest.raises(ValueError, match="batch_size must be at least 1, a whole number"):
        sequence_likelihood(Recorder(), text[None], batch_size=True)
    with pytest.raises(ValueError, match="at least one sequence"):
        sequence_likelihood(Recorder(), text[:0, None])
    with pytest.raises(ValueError, match="no token to predict"):
        sequence_likelihood(Recorder(), (text[None], torch.zeros(1, 10, dtype=torch.bool)))
    with pytest.raises(ValueError, match="diverged"):
        text_likelihood(Broken(), text, context=3)


def test_packed_sequences_are_counted_as_if_each_had_a_row():
    model = make("transformer")
    sequences = [torch.arange(n) % V for n in (2, 3, 3, 5, 2)]
    padded = sequence_likelihood(model, pad_sequences(sequences))
    tokens, mask, segments = pack_sequences(sequences, CONTEXT + 1)
    assert len(tokens) < len(sequences)
    assert (segments == 0).any()  # padding, which is no sequence
    for rows in ((tokens, mask, segments), (tokens, None, segments)):
        for batch_size in (1, 128):
            packed = sequence_likelihood(model, rows, batch_size=batch_size)
            assert packed.nats == pytest.approx(padded.nats, rel=1e-5)
            assert packed.standard_error == pytest.approx(padded.standard_error, rel=1e-4)
            assert packed.n_predictions == padded.n_predictions == 10
            assert packed.n_sequences == padded.n_sequences == 5
            assert packed.protocol == "all of 5 sequences"


def test_rows_without_a_prediction_are_no_sequences():
    model = make("transformer")
    tokens, mask = pad_sequences([[1, 2, 3], [2, 3, 4, 1]])
    expected = sequence_likelihood(model, (tokens, mask))
    more = torch.cat([tokens, tokens]), torch.cat([mask, mask & False])
    found = sequence_likelihood(model, more)
    # Products of twice as many rows are rounded in another order on some processors.
    assert found.nats == pytest.approx(expected.nats, rel=1e-5)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-4)
    counts = (expected.n_predictions, expected.n_sequences, expected.protocol)
    assert (found.n_predictions, found.n_sequences, found.protocol) == counts
