"""Explorers: paths stay where they should, and a saved page holds all that moves."""

import base64
import io
import json
import math
import re

import ipywidgets as ipw
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from aigc_tutorial import viz
from aigc_tutorial.gan import ConvGenerator, ConvGeneratorConfig, MLPGenerator, MLPGeneratorConfig
from aigc_tutorial.gan.latent import decode, great_circle, latents_by_digit, slerp, truncate


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MLPGenerator(MLPGeneratorConfig(latent_dim=8, image_shape=(1, 6, 6), hidden=(16,)))


class TenDigits(nn.Module):
    """Calls an image the digit whose fixed direction it fits best."""

    def __init__(self):
        super().__init__()
        weight = torch.randn(10, 36, generator=torch.Generator().manual_seed(1))
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        x = x.flatten(1)
        return (x - x.mean(0)) @ self.weight.T


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def states(widget):
    """State of a widget and all that it holds, as a saved page has it."""
    from ipywidgets.embed import dependency_state

    return dependency_state([widget])


def decoded(text):
    """Pixels of the picture in a piece of HTML."""
    (data,) = re.findall(r"base64,([^\"]+)", text)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def of_kind(widget, kind):
    found = [widget] if isinstance(widget, kind) else []
    return found + [w for child in getattr(widget, "children", ()) for w in of_kind(child, kind)]


def links(widget):
    """Linked pairs (source, trait, target, trait) that the browser follows."""
    inside = states(widget)
    pairs = []
    for entry in inside.values():
        if entry["model_name"] == "LinkModel":
            (source, trait), (target, other) = entry["state"]["source"], entry["state"]["target"]
            pairs.append((source.split("_")[-1], trait, target.split("_")[-1], other))
    return pairs


def test_every_point_of_a_great_circle_is_standard_normal():
    a, b = torch.randn(2, 4000, 16, generator=rng())
    path = great_circle(a, b, 7)
    assert path.mean(dim=(1, 2)).abs().max() < 0.02
    assert (path.square().mean(dim=(1, 2)) - 1).abs().max() < 0.02
    assert torch.equal(path[0], a)


def test_a_great_circle_closes_in_equal_steps():
    a, b = torch.eye(3)[0:1], torch.eye(3)[1:2]
    path = torch.cat([great_circle(a, b, 12), a[None]])
    steps = (path[1:] - path[:-1]).norm(dim=-1)
    assert torch.allclose(steps, steps[0].expand_as(steps), atol=1e-5)


def test_slerp_has_the_right_ends_and_stays_on_the_shell():
    a, b = torch.randn(2, 64, generator=rng())
    b = b * a.norm() / b.norm()
    path = slerp(a, b, 9)
    assert torch.allclose(path[0], a, atol=1e-5)
    assert torch.allclose(path[-1], b, atol=1e-5)
    assert torch.allclose(path.norm(dim=1), a.norm().expand(9), rtol=1e-4)
    assert torch.lerp(a, b, 0.5).norm() < 0.85 * a.norm(), "a straight line leaves the shell"


def test_slerp_on_the_plane_goes_by_equal_angles():
    path = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 4)
    angles = torch.atan2(path[:, 1], path[:, 0])
    assert torch.allclose(angles, torch.linspace(0, math.pi / 2, 4), atol=1e-6)


def test_slerp_at_its_limits():
    a = torch.tensor([1.0, 2.0])
    assert torch.allclose(slerp(a, a, 3), a.expand(3, 2))
    with pytest.raises(ValueError, match="opposite"):
        slerp(a, -a, 3)
    with pytest.raises(ValueError, match="length zero"):
        slerp(a, 0 * a, 3)
    with pytest.raises(ValueError, match="both ends"):
        slerp(a, a, 1)


def test_found_latents_make_their_digits(model):
    classifier = TenDigits()
    model.train()
    z = latents_by_digit(model, classifier, rng=rng())
    assert model.training
    assert z.shape == (10, 8)
    again = latents_by_digit(model, classifier, rng=rng())
    assert torch.equal(z, again)


def test_a_collapsed_generator_is_named(model):
    class OnlyOnes(TenDigits):
        def forward(self, x):
            return nn.functional.one_hot(torch.ones(len(x), dtype=torch.long), 10).float()

    with pytest.raises(ValueError, match=r"found no 0, 2, 3.*collapsed"):
        latents_by_digit(model, OnlyOnes(), rng=rng())


def test_pictures_hold_the_pixels_and_a_text():
    images = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    text = viz.widgets.picture(images, 'a "test" & more')
    assert 'alt="a &quot;test&quot; &amp; more"' in text
    pixels = decoded(text)
    assert pixels.shape == (3, 8, 2)
    assert pixels[:, :3, 0].max() == 0
    assert pixels[:, -3:, 0].min() == 255
    assert pixels[:, 3:5, 1].max() == 0, "the gap is transparent"


def test_latent_walk_moves_without_a_kernel(model):
    walk = viz.widgets.latent_walk(model, n_samples=4, n_frames=6)
    (stack,) = of_kind(walk, ipw.Stack)
    (slider,) = of_kind(walk, ipw.IntSlider)
    (play,) = of_kind(walk, ipw.Play)
    pictures = [child.value for child in stack.children]
    assert len(set(pictures)) == 6 == slider.max + 1 == play.max + 1
    assert (slider.model_id, "value", stack.model_id, "selected_index") in links(walk)
    assert (play.model_id, "value", slider.model_id, "value") in links(walk)
    assert slider.description


def test_a_generator_with_classes_walks_through_all_in_turn_or_the_one_asked_for():
    torch.manual_seed(0)
    config = ConvGeneratorConfig(latent_dim=8, image_shape=(1, 8, 8), channels=(4, 2), n_classes=3)
    generator = ConvGenerator(config)

    def pictures(*labels):
        walk = viz.widgets.latent_walk(generator, *labels, n_samples=4, n_frames=2)
        return [child.value for child in of_kind(walk, ipw.Stack)[0].children]

    assert pictures() == pictures([0, 1, 2, 0])
    assert pictures() != pictures([2, 2, 2, 2])


def test_latent_walk_is_seeded(model):
    def pictures(seed):
        walk = viz.widgets.latent_walk(model, n_samples=2, n_frames=3, rng=rng(seed))
        return [child.value for child in of_kind(walk, ipw.Stack)[0].children]

    assert pictures(1) == pictures(1)
    assert pictures(1) != pictures(2)


def test_a_live_kernel_offers_another_walk(model):
    walk = viz.widgets.latent_walk(model, n_samples=2, n_frames=3)
    (button,) = of_kind(walk, ipw.Button)
    (stack,) = of_kind(walk, ipw.Stack)
    assert button.layout.display == "none", "a static page must not show a dead button"
    of_kind(walk, ipw.IntSlider)[0].value = 1  # as a browser does
    assert button.layout.display == ""
    before = [child.value for child in stack.children]
    button.click()
    after = [child.value for child in stack.children]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert not button.disabled


def test_interpolation_holds_all_pairs(model):
    explorer = viz.widgets.interpolate(model, TenDigits(), n_steps=5)
    outer, *rows = of_kind(explorer, ipw.Stack)
    start, end = of_kind(explorer, ipw.SelectionSlider)
    assert len(rows) == 10
    assert all(len(row.children) == 10 for row in rows)
    assert 'from a 3 to a 8"' in rows[3].children[8].value
    assert outer.selected_index == start.index == 3
    assert {row.selected_index for row in rows} == {end.index} == {8}
    found = links(explorer)
    assert (start.model_id, "index", outer.model_id, "selected_index") in found
    for row in rows:
        assert (end.model_id, "index", row.model_id, "selected_index") in found


def test_interpolation_backwards_is_the_same_way(model):
    rows = of_kind(viz.widgets.interpolate(model, TenDigits(), n_steps=3), ipw.Stack)[1:]

    def pixels(i, j):
        return decoded(rows[i].children[j].value)[:, :, 0].astype(int)

    there, back = pixels(2, 7), pixels(7, 2)
    assert np.abs(there[:, :6] - back[:, -6:]).max() <= 1
    assert np.abs(there[:, -6:] - back[:, :6]).max() <= 1


def test_a_live_kernel_offers_other_examples(model):
    explorer = viz.widgets.interpolate(model, TenDigits(), n_steps=3)
    (button,) = of_kind(explorer, ipw.Button)
    of_kind(explorer, ipw.SelectionSlider)[0].index = 5
    assert button.layout.display == ""
    strip = of_kind(explorer, ipw.Stack)[1].children[4]
    before = strip.value
    button.click()
    assert strip.value != before


def test_training_slider_goes_through_time():
    snapshots = {200: torch.zeros(3, 1, 4, 4), 100: -torch.ones(3, 1, 4, 4)}
    explorer = viz.widgets.training_slider(snapshots)
    (slider,) = of_kind(explorer, ipw.SelectionSlider)
    (stack,) = of_kind(explorer, ipw.Stack)
    assert [label for label, _ in slider.options] == ["100 images", "200 images"]
    assert "3 samples after 100 training images" in stack.children[0].value
    assert (slider.model_id, "index", stack.model_id, "selected_index") in links(explorer)
    with pytest.raises(ValueError, match="no snapshots"):
        viz.widgets.training_slider({})


def test_explorers_with_their_defaults_stay_small():
    torch.manual_seed(0)
    real_size = MLPGenerator(MLPGeneratorConfig(latent_dim=8, hidden=(16,)))
    snapshots = {i: decode(real_size, torch.randn(24, 8)) for i in range(12)}
    for explorer in (
        viz.widgets.latent_walk(real_size),
        viz.widgets.training_slider(snapshots),
    ):
        assert len(json.dumps(states(explorer))) < 1_500_000  # noise compresses worst


def test_latents_come_in_arrays_too(model):
    z = model.sample_latent(2, rng=rng())
    a, b = z.numpy()
    torch.testing.assert_close(decode(model, z.numpy()), decode(model, z))
    torch.testing.assert_close(slerp(a, b, 3), slerp(z[0], z[1], 3))
    loop = great_circle(z.numpy(), z.flip(0).numpy(), 4)
    torch.testing.assert_close(loop, great_circle(z, z.flip(0), 4))
    torch.testing.assert_close(truncate(z.numpy(), 0.5), 0.5 * z)
