"""Figures show what they were given."""

import copy
import inspect
import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from aigc_tutorial import data, viz
from aigc_tutorial.viz import curves
from aigc_tutorial.viz.curves import running_mean
from aigc_tutorial.viz.images import _as_grey
from aigc_tutorial.viz.numbers import as_numbers
from aigc_tutorial.viz.style import DPI, style
from aigc_tutorial.viz.variants import phone_layout


class TwoModes:
    """Two normal distributions of width 0.3, at (-1, 0) and (1, 0)."""

    mode_centres = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])

    def log_density(self, x):
        squares = (x[:, None] - self.mode_centres).square().sum(-1) / 0.3**2
        return torch.logsumexp(-0.5 * squares, dim=1)


@pytest.fixture
def images():
    return torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1


def values(data):
    """A line's data as a list of floats."""
    return np.asarray(data, dtype=float).tolist()


def drawn(figure):
    """Number of different colours in the drawn figure."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).reshape(-1, 4)
    return len(np.unique(pixels, axis=0))


def test_montage_keeps_every_pixel_and_leaves_gaps_transparent(images):
    pixels = viz.montage(images, n_columns=3, padding=2)
    assert pixels.shape == (2 * 4 + 2, 3 * 4 + 2 * 2, 4)
    assert (pixels[4:6, :, 3] == 0).all()
    assert (pixels[6:, 12:, 3] == 0).all()  # the place of a sixth image
    fourth = pixels[6:10, 0:4, 0].astype(int)
    assert np.abs(fourth - (images[3, 0].numpy() + 1) * 127.5).max() <= 0.5


def test_montage_clips_and_keeps_colours():
    red = torch.tensor([3.0, -5.0, -1.0])[None, :, None, None].expand(1, 3, 2, 2)
    assert viz.montage(red)[0, 0].tolist() == [255, 0, 0, 255]


def test_montage_refuses_what_it_cannot_show(images):
    with pytest.raises(ValueError, match="empty"):
        viz.montage(images[:0])
    with pytest.raises(ValueError, match=r"1 \(grey\) or 3"):
        viz.montage(images.expand(-1, 2, -1, -1))
    with pytest.raises(ValueError, match="n_columns"):
        viz.montage(images, n_columns=0)
    # Called itself: the shape checks of the tests would refuse these images first.
    for wrong in (torch.zeros(1, 1, 2, 2, dtype=torch.int64), torch.ones(1, 1, 2, 2) > 0):
        with pytest.raises(ValueError, match=r"in \[-1, 1\] or uint8 .*, got (int64|bool)"):
            _as_grey(wrong)


def test_bytes_are_shown_as_the_grey_values_that_they_are():
    levels = torch.arange(0, 250, 10, dtype=torch.uint8).reshape(1, 1, 5, 5)
    assert viz.montage(levels)[:, :, 0].tolist() == levels[0, 0].tolist()
    (shown,) = viz.image_grid(levels).images
    assert np.asarray(shown.get_array())[:, :, 0].tolist() == levels[0, 0].tolist()


def test_images_are_taken_from_whatever_holds_them(images):
    labels, source = torch.zeros(5, dtype=torch.int64), data.Source("embedded", "here", "made up")
    dataset = data.ImageDataset(images.clamp(max=0.99), labels, source)
    images, indices = dataset.images, torch.arange(5)[:, None]

    def pixels(same, indices, distances):
        figures = [
            viz.image_grid(same).figure,
            viz.real_beside_generated(same, images),
            viz.neighbour_pairs(same, same, indices, distances=distances),
            viz.snapshots_strip({1: same}, n_columns=2),
        ]
        drawn = [np.asarray(ax.images[0].get_array()) for f in figures for ax in f.axes]
        plt.close("all")
        return drawn

    expected = pixels(images, indices, indices.float())
    for same in (images.numpy(), images.tolist(), list(images), dataset, images.double()):
        found = pixels(same, indices.tolist(), indices.double().numpy())
        for picture, known in zip(found, expected, strict=True):
            assert np.array_equal(picture, known)
    with pytest.raises(ValueError, match=r"need 1 \(grey\) or 3 \(RGB\) channels .* \(5, 4, 4\)"):
        viz.image_grid(images[:, 0])


def test_images_from_0_to_1_are_not_shown_with_grey_for_black(images):
    """But a bright picture is, and one that is grey all over."""
    for shown in (images.abs(), torch.zeros(2, 1, 8, 8), torch.zeros(1, 1, 8, 8).add(0.9)):
        viz.montage(shown)
    unit = torch.rand(4, 1, 8, 8).clamp(min=0.5).sub(0.5).mul(2)
    for show in (
        lambda: viz.image_grid(unit),
        lambda: viz.real_beside_generated(images, unit),
        lambda: viz.snapshots_strip({1: unit}),
        lambda: viz.neighbour_pairs(unit, unit, [[0]] * len(unit)),
    ):
        with pytest.raises(ValueError, match=r"Images in \[0, 1\] become so by 2 \* images - 1"):
            show()


@pytest.mark.parametrize("lowest", [0.0, 3.0])
def test_pixels_as_floats_are_not_shown_white_all_over(images, lowest):
    """What overshoots [-1, 1] is clipped; of pixels 0 … 255 nothing else would be left."""
    pixels = torch.linspace(lowest, 255, 128).view(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"to 255: .*pixels_to_images\(images.to\(torch.uint8"):
        viz.image_grid(pixels)
    with pytest.raises(ValueError, match=r"0 to 3: .*levels by data.dequantise"):
        viz.image_grid((pixels % 4).floor())
    viz.image_grid(1.4 * images)


def test_numbers_that_would_be_drawn_as_others_are_refused():
    with pytest.raises(ValueError, match=r"the map 'b - a' holds numbers down to -2.*begin at 0"):
        viz.token_maps({"b - a": torch.tensor([[1.0, -2.0], [0.0, 1.0]])}, ["a", "b"])
    unchecked: Any = inspect.unwrap(viz.samples_2d)  # as where no types are checked
    for points in (torch.randn(2, 50), torch.randn(50, 3), torch.randn(50)):
        with pytest.raises(ValueError, match=r"points of the plane, one a row, of shape \(N, 2\)"):
            unchecked(points)
    by_seed: Any = {0: 0.25, 1: 0.75}
    with pytest.raises(ValueError, match=r"shares must be numbers in a row, got a dict"):
        as_numbers(by_seed, "shares")


def test_image_grid_draws_into_given_axes(images):
    figure, (left, right) = plt.subplots(1, 2)
    assert viz.image_grid(images, ax=right, title="five") is right
    assert right.get_title(loc="left") == "five"
    assert len(right.images) == 1
    assert not left.images
    assert drawn(figure) > 10


def test_new_figures_are_transparent_and_crisp(images):
    figure = viz.image_grid(images).get_figure(root=True)
    assert figure is not None
    assert to_rgba(figure.get_facecolor())[3] == 0
    assert figure.dpi == DPI >= 150
    assert drawn(figure) > 10


def test_real_and_generated_show_as_many(images):
    figure = viz.real_beside_generated(images, images[:3], n_columns=3)
    left, right = (np.asarray(ax.images[0].get_array()) for ax in figure.axes)
    assert left.shape == right.shape == viz.montage(images[:3], n_columns=3).shape


def test_neighbours_stand_below_their_query(images):
    indices = torch.tensor([[2, 0], [4, 1]])
    distances = torch.tensor([[0.5, 1.0], [1.25, 2.0]])
    figure = viz.neighbour_pairs(images[:2], images, indices, distances=distances)
    axes = np.array(figure.axes).reshape(3, 2)
    assert np.array_equal(axes[1, 1].images[0].get_array(), viz.montage(images[4:5]))
    assert np.array_equal(axes[2, 0].images[0].get_array(), viz.montage(images[0:1]))
    assert [text.get_text() for text in axes[1, 1].texts] == ["1.25"]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([[2], [4]], r"of each of the 3 generated images, got \(2, 1\); choose the same rows"),
        ([2, 4, 0], r"got \(3,\); .* indices\[:, None\]"),
        ([[2], [4], [5]], "must be rows 0 … 4 of the reference, got 2 to 5"),
        ([[2], [4], [-1]], "must be rows 0 … 4 of the reference, got -1 to 4"),
    ],
)
def test_neighbours_of_other_images_are_not_shown(images, indices, message):
    """As of the first three samples beside the neighbours of two that were picked out."""
    untyped = inspect.unwrap(viz.neighbour_pairs)
    with pytest.raises(ValueError, match=message):
        untyped(images[:3], images[:5], indices)


def test_a_distance_stands_below_each_neighbour(images):
    untyped = inspect.unwrap(viz.neighbour_pairs)
    with pytest.raises(ValueError, match=r"a distance for each index, of shape \(2, 1\)"):
        untyped(images[:2], images, [[2], [4]], distances=[0.5, 1.0])


def test_a_result_is_no_history():
    with pytest.raises(TypeError, match=r"columns by name, got a int; .* its \.history"):
        inspect.unwrap(curves._lines)(3, {}, window=1, title="", ax=None)


@pytest.mark.parametrize("n_columns", [0, 2.0])
def test_columns_are_a_count(images, n_columns):
    for show, shown in (
        (viz.montage, [images]),
        (viz.snapshots_strip, [{1: images}]),
        (viz.real_beside_generated, [images, images]),
    ):
        with pytest.raises(ValueError, match="n_columns must be at least 1"):
            inspect.unwrap(show)(*shown, n_columns=n_columns)


def test_snapshots_come_in_the_order_of_training(images):
    figure = viz.snapshots_strip({2000: images, 100: images}, n_columns=3)
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["100", "2,000"]
    with pytest.raises(ValueError, match="no snapshots"):
        viz.snapshots_strip({})


HISTORY: dict[str, list[float]] = {
    "n_images": [0, 1000, 2000, 3000],
    "loss_discriminator": [1.4, 1.2, 1.0, 1.1],
    "loss_generator": [0.7, 0.9, 1.2, 1.1],
    "probability_real": [0.5, 0.7, 0.8, 0.75],
    "probability_fake": [0.5, 0.3, 0.2, 0.25],
}


def test_loss_curves_show_both_losses():
    ax = viz.loss_curves(HISTORY)
    shown = {line.get_label(): values(line.get_ydata()) for line in ax.lines}
    assert shown["discriminator"] == pytest.approx(HISTORY["loss_discriminator"])
    assert shown["generator"] == pytest.approx(HISTORY["loss_generator"])
    styles = {line.get_linestyle() for line in ax.lines}
    assert len(styles) == 2, "lines must differ in more than their colour"


def test_loss_curves_need_a_record():
    with pytest.raises(ValueError, match="history is empty"):
        viz.loss_curves({**HISTORY, "n_images": []})


def test_probability_curves_keep_the_whole_scale():
    ax = viz.probability_curves(HISTORY, window=2)
    assert ax.get_yticks()[[0, -1]].tolist() == [0, 1]
    assert ax.get_ylim()[1] > 1  # room for the legend above the curves
    labels = {line.get_label(): line for line in ax.lines}
    assert values(labels["mean D(x), real"].get_ydata())[-1] == pytest.approx(0.775)


def test_running_mean_is_the_mean_of_the_last_values():
    assert running_mean([1, 2, 6, 8], 2) == [1, 1.5, 4, 7]
    assert running_mean([1, 2], 10) == [1, 1.5]
    with pytest.raises(ValueError, match="window"):
        running_mean([1.0], 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e17])
def test_a_bad_value_is_in_the_means_of_its_own_windows_alone(bad):
    means = running_mean([1.0, 2.0, bad, 4.0, 6.0, -bad, 8.0, 10.0], 2)
    for mean, right in zip(means, [1, 1.5, bad, bad, 5, bad, bad, 9], strict=True):
        assert math.isfinite(mean) == math.isfinite(right)
        if right is not bad:
            assert mean == right
    assert math.isnan(running_mean([math.inf, -math.inf], 2)[-1])


def test_share_bars_carry_counts_and_the_line_of_equal_shares():
    shares = torch.tensor([0.02] + [0.98 / 9] * 9)
    ax = viz.class_share_bars(shares, n_samples=1000)
    bar = ax.patches[0]
    assert isinstance(bar, Rectangle)
    assert bar.get_height() == pytest.approx(2)
    assert values(ax.lines[0].get_ydata()) == pytest.approx([10, 10])
    texts = [text.get_text() for text in ax.texts]
    assert texts[0] == "20"
    assert "10 %" in texts
    with pytest.raises(ValueError, match="sum to 1"):
        viz.class_share_bars([0.5, 0.4])


def test_numbers_on_share_bars_stay_apart_on_a_phone_and_off_the_line_of_equal_shares():
    with style():
        figure, axes = plt.subplots(2, 1, figsize=(6.5, 4.4))
    viz.class_share_bars([0.114, 0.086, 0.1] * 3 + [0.1], ax=axes[0])
    viz.class_share_bars([0.0] * 9 + [1.0], ax=axes[1])
    with phone_layout(figure, 1):
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes[0].texts[:10]]
        bars = [bar.get_window_extent() for bar in axes[0].patches[:10]]
    assert [text.get_text() for text in axes[0].texts[:3]] == ["11", "8.6", "10"]
    for box, bar in zip(boxes, bars, strict=True):
        assert bar.x0 <= box.x0 <= box.x1 <= bar.x1
    assert [text.get_text() for text in axes[1].texts] == ["100", "10 %"]


@pytest.mark.parametrize("log", [False, True])
def test_comparison_shows_every_seed(log):
    ax = viz.comparison_bars({"a": [1.0, 2.0, 3.0], "b": 20}, what="distance", log=log)
    dots = [values(line.get_xdata()) for line in ax.lines]
    assert dots == [[1, 2, 3], [20]]
    assert [text.get_text() for text in ax.texts] == ["2", "20"]
    assert len(ax.patches) == (0 if log else 2)


def test_importances_are_bars_in_percent_the_largest_first():
    shares = {"training.momentum": 0.04, "training.rate": 0.9, "training.batch_size": 0.06}
    ax: Any = viz.importance_bars(shares)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "rate",
        "batch_size",
        "momentum",
    ]
    widths = [bar.get_window_extent().width for bar in ax.patches]
    assert [width / sum(widths) for width in widths] == pytest.approx([0.9, 0.06, 0.04])
    assert [text.get_text() for text in ax.texts] == ["90", "6", "4"]
    assert ax.yaxis_inverted()  # the first is on top
    said = viz.importance_text(shares)
    assert said == (
        "Share of the importance of each setting: rate 90 %, batch_size 6 %, momentum 4 %"
    )
    assert "model.width 50 %" in viz.importance_text({"training.rate": 0.5, "model.width": 0.5})
    assert "rate 50 %" in viz.importance_text({"rate": 0.5, "model.width": 0.5})
    for wrong in ({}, {"a": -1.0, "b": 2.0}, {"a": 0.0}, {"a": math.nan}):
        with pytest.raises(ValueError, match=r"shares|1 of 1 numbers"):
            viz.importance_bars(wrong)


def test_density_is_darkest_at_the_modes():
    ax = viz.density_2d(TwoModes(), extent=2, resolution=41)
    shade = np.asarray(ax.images[0].get_array())
    assert shade.max() == pytest.approx(1)
    assert shade[20, 10] == pytest.approx(1, abs=1e-3)  # x = -1, y = 0
    assert shade[20, 20] < 0.2  # between the modes
    assert shade[0, 10] < 1e-3  # far below


def test_samples_outside_are_counted():
    samples = torch.tensor([[0.9, 0.0], [50.0, 0.0]])
    ax = viz.samples_2d(samples, distribution=TwoModes())
    assert any("1 of 2 samples lie outside" in text.get_text() for text in ax.texts)
    assert any(line.get_label() == "modes" for line in ax.lines)


def test_discriminator_field_has_its_axes_the_right_way_round():
    ax = viz.discriminator_field_2d(lambda x: 4 * x[:, 0] + x[:, 1], 1.0, resolution=21)
    field = np.asarray(ax.images[0].get_array())
    assert field[10, 20] == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-5)  # x1 = 1, x2 = 0
    assert field[20, 10] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-5)  # x1 = 0, x2 = 1
    assert ax.images[0].origin == "lower"
    with pytest.raises(ValueError, match="one logit a point"):
        viz.discriminator_field_2d(lambda x: x[:, :1], 1.0, resolution=3)


def test_a_field_may_go_without_its_bar():
    ax = viz.discriminator_field_2d(lambda x: x[:, 0], 1.0, resolution=4)
    assert len(ax.figure.axes) == 2
    ax = viz.discriminator_field_2d(lambda x: x[:, 0], 1.0, resolution=4, bar=False)
    assert len(ax.figure.axes) == 1


def test_each_frame_of_a_training_shows_its_samples_and_its_discriminator():
    steps = [torch.zeros(3, 2), torch.tensor([[0.5, -0.5]])]
    judges = [lambda x: x[:, 0], lambda x: -x[:, 0] - 9]
    panels: dict[str, Any] = {
        "game": list(zip(steps, judges, strict=True)),
        "data": [(x, None) for x in steps],
    }
    frames = viz.training_frames(panels, distribution=TwoModes(), extent=1.0, resolution=5)
    figure = next(frames)
    left, right = figure.axes
    density = np.asarray(right.images[0].get_array()).copy()
    assert values(left.lines[-1].get_xydata()) == steps[0].tolist()
    assert np.asarray(left.images[0].get_array())[0].tolist() == pytest.approx(
        torch.linspace(-1, 1, 5).sigmoid().tolist()
    )
    assert len(left.collections) == 1  # the line where it says one half
    assert next(frames) is figure
    for ax in (left, right):
        assert values(ax.lines[-1].get_xydata()) == steps[1].tolist()
        assert values(ax.lines[-2].get_xydata()) == TwoModes.mode_centres.tolist()
    assert np.asarray(left.images[0].get_array()).max() < 0.5
    assert len(left.collections) == 0
    assert np.array_equal(np.asarray(right.images[0].get_array()), density)
    assert next(frames, None) is None


def test_a_film_of_trainings_has_equally_many_frames_in_each_panel():
    moment = (torch.zeros(1, 2), None)
    wrong: list[dict[str, Any]] = [{}, {"a": []}, {"a": [moment], "b": [moment] * 2}]
    for panels in wrong:
        with pytest.raises(ValueError, match="of equally many frames"):
            next(viz.training_frames(panels, distribution=TwoModes(), extent=1.0))


def test_a_frame_of_a_training_never_shows_the_discriminator_of_another():
    def frames(*discriminators):
        panels = {"game": [(torch.zeros(1, 2), each) for each in discriminators]}
        return viz.training_frames(panels, distribution=TwoModes(), extent=1.0, resolution=4)

    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))
    for given in ((network, None), (None, network)):
        with pytest.raises(ValueError, match="'game' has no discriminator in 1 of 2 frames"):
            next(frames(*given))
    with pytest.raises(ValueError, match=r"'game' has one network in all frames.*copy.deepcopy"):
        next(frames(network, network, network))
    assert len(list(frames(network, copy.deepcopy(network), network))) == 3
    later = frames(network, lambda x: x[:, 0] * math.nan)
    next(later)
    with pytest.raises(ValueError, match="of the logits are infinite or not a number"):
        next(later)


def test_every_public_name_can_be_had_and_no_other():
    assert all(getattr(viz, name) is not None for name in viz.__all__)
    with pytest.raises(AttributeError, match="no attribute 'pie_chart'"):
        viz.pie_chart  # noqa: B018


def test_columns_of_texts_are_drawn_where_their_numbers_are():
    """As csv.DictReader reads what History.to_csv wrote; the first point lay at 0."""
    history = {"n_images": ["1000", "64000"], "loss_discriminator": ["1", "2"]}
    ax = viz.loss_curves({**history, "loss_generator": ["3", "2.5"]})
    assert [np.asarray(line.get_xdata()).tolist() for line in ax.lines] == [[1000, 64000]] * 2
    with pytest.raises(ValueError, match="'loss_generator' has 1 rows and n_images 2"):
        viz.loss_curves({**history, "loss_generator": ["3"]})


@pytest.mark.filterwarnings("error")
def test_losses_with_their_graphs_are_numbers():
    losses = [torch.tensor(float(i), requires_grad=True) for i in range(3)]
    assert as_numbers(losses, "the losses").tolist() == [0, 1, 2]


def test_figures_of_the_plane_do_not_need_torchs_default_device():
    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))
    with torch.device("meta"):  # where nothing can be computed; a reader's is a GPU
        ax = viz.samples_2d(torch.zeros(3, 2, device="cpu"), distribution=data.ring())
        viz.discriminator_field_2d(network, 1.0, resolution=3)
    assert len(ax.lines) == 2
