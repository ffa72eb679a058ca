"""Frames that depend on the two before them, likelihoods that sum to one, films that go on."""

import itertools
import math

import pytest
import torch

from aigc_tutorial import ar
from tests.ar.checks import randomize


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**settings):
    network = ar.FrameModel(ar.FrameModelConfig(width=6, n_layers=2, **settings))
    return randomize(network, scale=0.15)


def films(n, n_frames, side=6):
    return torch.randint(2, (n, n_frames, side, side), generator=seeded()).float()


def test_a_new_model_finds_ink_and_no_ink_equally_likely():
    nll = ar.FrameModel().nll(films(3, 5))
    assert nll.shape == (3, 3)
    torch.testing.assert_close(nll, torch.full((3, 3), 36 * math.log(2)))


@pytest.mark.parametrize("n_past", [1, 2, 3])
def test_a_frame_depends_on_the_last_frames_and_on_no_other(n_past):
    network, x = model(n_past=n_past), films(2, 7)
    x.requires_grad_()
    nll = network.nll(x)
    assert nll.shape == (2, 7 - n_past)
    for i in range(nll.shape[1]):
        (gradient,) = torch.autograd.grad(nll[:, i].sum(), x, retain_graph=True)
        seen = gradient.abs().amax(dim=(0, 2, 3)) > 0
        # The frames before it, and the frame itself: what is scored.
        assert seen.tolist() == [i <= t <= i + n_past for t in range(7)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_probabilities_of_all_next_frames_sum_to_one(dtype):
    network, before = model().to(dtype), films(1, 2, side=2)
    total = 0.0
    for pixels in itertools.product((0.0, 1.0), repeat=4):
        film = torch.cat([before, torch.tensor(pixels).view(1, 1, 2, 2)], dim=1)
        total += float(torch.exp(-network.nll(film)).detach())
    assert total == pytest.approx(1, abs=1e-5)


def test_a_film_goes_on_with_the_likelier_colour():
    network, x = model(), films(3, 2)
    made = network.continue_films(x, 4)
    assert made.shape == (3, 4, 6, 6)
    frames = torch.cat([x, made], dim=1)
    for t in range(4):
        expected = (network(frames[:, t : t + 2]) > 0).float()
        assert torch.equal(made[:, t], expected)


def test_drawn_pixels_have_their_probabilities():
    network, x = model(), films(1, 2)
    made = network.continue_films(x.expand(4_000, -1, -1, -1), 1, rng=seeded())
    p = torch.sigmoid(network(x)).detach()[0]
    error = (made[:, 0].mean(dim=0) - p).abs() / (p * (1 - p) / 4_000).sqrt()
    assert error.max() < 5


def test_the_walls_can_be_seen():
    """Far from every frame's ink, logits differ between the middle and the edge."""
    logits = model()(torch.zeros(1, 2, 20, 20)).detach()[0]
    assert (logits[9:11, 9:11] - logits[:2, :2]).abs().max() > 1e-3


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected 2 frames of even height and width, got 1"):
        model()(torch.zeros(1, 1, 6, 6))
    with pytest.raises(ValueError, match="5 × 6"):
        model()(torch.zeros(1, 2, 5, 6))
    with pytest.raises(ValueError, match="a film of 2 leaves none"):
        model().nll(films(1, 2))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ar.FrameModelConfig(n_past=0)
