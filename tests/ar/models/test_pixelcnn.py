"""PixelCNN: causal without a blind spot, normalised, conditional, saved and loaded."""

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.integers import as_labels
from aigc_tutorial.nn import count_parameters

SHAPE = (6, 5)
TINY: dict[str, Any] = {"image_shape": SHAPE, "width": 6, "n_layers": 3, "first_kernel_size": 3}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**settings):
    torch.manual_seed(0)
    return PixelCNN(PixelCNNConfig(**(TINY | settings)))


def random_levels(n, n_levels=2, shape=SHAPE):
    return torch.randint(n_levels, (n, *shape), generator=seeded())


def pixels_seen(model, row, column):
    """Where the gradient of one pixel's logits with respect to the image is not zero."""
    levels = random_levels(2, model.config.n_levels)
    inputs = model.encode(levels).requires_grad_()
    labels = None if model.config.n_classes is None else torch.tensor([0, 1])
    logits = model.logits_of_inputs(inputs, labels)
    # Random weights, lest gradients of several levels cancel.
    weights = torch.rand(model.config.n_levels, generator=seeded())
    (logits[:, row, column] * weights).sum().backward()
    return inputs.grad.abs().amax(dim=(0, 1)) > 0


@pytest.mark.parametrize("settings", [{}, {"n_levels": 8, "n_classes": 3}, {"kernel_size": 5}])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 4), (2, 0), (3, 2), (5, 4)])
def test_a_pixel_depends_on_all_pixels_before_it_and_on_no_other(settings, row, column):
    model = tiny(**{"n_layers": 8, "width": 16} | settings)
    seen = pixels_seen(model, row, column)
    index = torch.arange(seen.numel()).view(SHAPE)
    assert torch.equal(seen, index < index[row, column])


def test_the_receptive_field_has_no_blind_spot():
    # One layer: the first convolutions reach 2 rows up and 1 to each side, the layer 1 more each.
    seen = pixels_seen(tiny(n_layers=1, width=16), 4, 2)
    expected = torch.zeros(SHAPE, dtype=torch.bool)
    expected[1:4] = True
    expected[4, :2] = True
    assert torch.equal(seen, expected)


def test_a_model_without_the_shift_is_caught(monkeypatch):
    pad = F.pad

    def pad_without_shift(x, sizes):
        """Keep every pixel in its place where padding on one side and cropping would shift it."""
        pairs = zip(sizes[::2], sizes[1::2], strict=True)
        kept = [(before - 1, 0) if after == -1 else (before, after) for before, after in pairs]
        return pad(x, [size for pair in kept for size in pair])

    model = tiny()
    monkeypatch.setattr("torch.nn.functional.pad", pad_without_shift)
    assert pixels_seen(model, 3, 2)[3, 2]


@pytest.mark.parametrize("n_classes", [None, 2])
def test_probabilities_of_all_images_sum_to_one(n_classes):
    model = tiny(image_shape=(2, 2), n_classes=n_classes).double()
    images = torch.tensor(list(itertools.product(range(2), repeat=4))).view(16, 2, 2)
    for label in [None] if n_classes is None else range(n_classes):
        labels = None if label is None else torch.full((16,), label)
        probabilities = model.nll(images, labels).sum(dim=(1, 2)).neg().exp()
        assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n_levels", [2, 8])
def test_nll_of_a_uniform_model_is_log_v(n_levels):
    model = tiny(n_levels=n_levels)
    nn.init.zeros_(model.head[-1].weight)
    nn.init.zeros_(model.head[-1].bias)
    nll = model.nll(random_levels(3, n_levels))
    torch.testing.assert_close(nll, torch.full((3, *SHAPE), math.log(n_levels)))


def test_the_class_changes_the_logits_from_the_first_pixel_on():
    model = tiny(n_classes=3)
    levels = random_levels(1).expand(3, -1, -1)
    logits = model(levels, torch.arange(3))
    assert (logits[0] - logits[1]).abs().amax(dim=-1).min() > 0
    alone = model(levels[:1], torch.tensor([1]))
    torch.testing.assert_close(alone[0], logits[1])


def test_it_learns_a_deterministic_picture():
    """Stripes with a random phase: one bit, all of it in the first pixel."""
    model = tiny(image_shape=(4, 4), width=12)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    phases = torch.arange(2).view(2, 1, 1)
    levels = (torch.arange(4) + phases).expand(2, 4, 4) % 2
    for _ in range(60):
        optimizer.zero_grad()
        model.nll(levels).sum().backward()
        optimizer.step()
    nll = model.nll(levels).detach()
    assert nll[:, 0, 0].mean().item() == pytest.approx(math.log(2), abs=0.01)
    assert nll.sum(dim=(1, 2)).mean().item() == pytest.approx(math.log(2), abs=0.05)


@pytest.mark.parametrize("settings", [{}, {"n_levels": 8, "n_classes": 3, "kernel_size": 5}])
def test_saved_models_come_back_equal(settings, tmp_path):
    model = tiny(**settings)
    model.save_pretrained(tmp_path / "model")
    loaded = PixelCNN.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_the_shape_of_a_data_set_is_taken_too():
    model = tiny(image_shape=(1, *SHAPE))
    assert model.image_size == SHAPE
    assert model(random_levels(2)).shape == (2, *SHAPE, 2)


def test_default_size():
    model = PixelCNN()
    first = 2 * 32 * (4 * 7 + 4) + 2 * 32  # of 4 rows of 7 above, of 4 pixels before
    head = 32 * 32 + 32 + 32 * 2 + 2
    layers = sum(count_parameters(layer) for layer in model.layers)
    assert len(model.layers) == 8
    assert count_parameters(model) == first + layers + head == 159_906


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (3, 28, 28)}, "colours are not modelled"),
        ({"image_shape": (784,)}, "must be"),
        ({"kernel_size": 4}, "kernel_size must be odd and positive, got 4"),
        ({"first_kernel_size": 0}, "first_kernel_size must be odd"),
        ({"n_levels": 1}, "n_levels must be at least 2"),
        ({"n_classes": 0}, "n_classes must be at least 1"),
    ],
)
def test_impossible_configurations_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PixelCNNConfig(**settings)


def test_wrong_inputs_are_refused():
    model, conditional = tiny(), tiny(n_classes=3)
    levels = random_levels(2)
    with pytest.raises(ValueError, match=r"expected levels of shape \(batch, 6, 5\)"):
        model(torch.zeros(2, 5, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"must lie in 0 … 1, got 0 … 2"):
        model.nll(levels * 2)
    with pytest.raises(ValueError, match="leave the labels away"):
        model(levels, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="give labels 0 … 2"):
        conditional(levels)
    with pytest.raises(ValueError, match=r"labels must lie in 0 … 2, got 0 … 3"):
        conditional.nll(levels, torch.tensor([0, 3]))
    # Called itself: the shape checks of the tests would refuse these labels first.
    with pytest.raises(ValueError, match=r"expected labels of shape \(2,\), got \(3,\)"):
        as_labels(torch.tensor([0, 1, 2]), conditional.config.n_classes, batch_size=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_probabilities_in_half_precision_sum_to_one_too(dtype):
    """What the network rounds is a distribution all the same."""
    model = tiny(image_shape=(2, 2)).to(dtype)
    images = torch.tensor(list(itertools.product((0, 1), repeat=4))).view(16, 2, 2)
    nll = model.nll(images).detach().double().sum(dim=(1, 2))
    assert float(nll.neg().exp().sum()) == pytest.approx(1, abs=1e-5)
