"""Forms of figures for a phone and for a dark page: same drawing, letters that can be read."""

import io
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from aigc_tutorial.viz.images import neighbour_pairs
from aigc_tutorial.viz.style import INK, PALETTE, contrast_ratio, style
from aigc_tutorial.viz.variants import (
    PHONE_WIDTH,
    SMALLEST,
    NoRoomError,
    figure_variants,
    grid,
    in_the_dark,
    phone_layout,
)

STYLES = Path(__file__).parents[2] / "book" / "_static"
PAGE = "#121212"
"""The theme's page in the dark."""


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGBA"))


def dark(colour):
    return tuple(in_the_dark(np.array(to_rgb(colour))))


def curves(n_panels, **sizes):
    with style():
        figure, axes = plt.subplots(1, n_panels, figsize=(7, 2.4), sharey=True, squeeze=False)
        for number, ax in enumerate(axes[0]):
            ax.plot([0, 1], [0, number + 1])
            ax.set_title(f"panel {number}", **sizes)
            ax.set_xlabel("steps")
        axes[0, 0].set_ylabel("loss")
    return figure, list(axes[0])


def test_ink_and_lines_stand_out_on_a_dark_page():
    assert contrast_ratio(to_hex(dark(INK)), PAGE) >= 7  # enhanced contrast of text
    assert min(contrast_ratio(to_hex(dark(colour)), PAGE) for colour in PALETTE) >= 3


def test_dark_colours_are_those_of_the_filter_in_the_style_sheets():
    """Figures without pictures are turned by the browser, the others here."""
    css = (STYLES / "figures.css").read_text(encoding="utf-8")
    assert re.findall(r"invert\(([\d.]+)\) hue-rotate\((\d+)deg\)", css) == [("0.93", "180")]
    assert dark("white") == pytest.approx((0.07, 0.07, 0.07))
    assert dark("black") == pytest.approx((0.93, 0.93, 0.93))
    red, green, blue = dark("#0072B2")
    assert blue > green > red  # blue stays blue


def test_a_narrow_figure_has_no_further_form():
    with style():
        figure, _ = plt.subplots(figsize=(PHONE_WIDTH - 0.2, 2))
    assert figure_variants(figure) == {}


def test_a_wide_figure_is_drawn_again_for_a_phone_and_left_as_it_was():
    figure, axes = curves(3, fontsize=7)
    figure.draw_without_rendering()
    before = [ax.get_position().bounds for ax in axes]
    variants = figure_variants(figure)
    assert variants.keys() == {"phone"}
    assert pixels(variants["phone"]).shape[1] <= (PHONE_WIDTH + 0.4) * figure.dpi
    figure.draw_without_rendering()
    assert figure.get_size_inches().tolist() == [7, 2.4]
    assert [ax.get_position().bounds for ax in axes] == before
    assert [ax.get_ylabel() for ax in axes] == ["loss", "", ""]
    assert axes[1].title.get_fontsize() == 10
    assert axes[1]._left_title.get_fontsize() == 7


def test_axes_of_a_grid_stand_in_fewer_columns_and_tell_their_values():
    figure, axes = curves(4, fontsize=7)
    with phone_layout(figure, 2):
        places = [ax.get_position() for ax in axes]
        assert places[0].x0 == pytest.approx(places[2].x0, abs=0.01)
        assert places[2].y1 < places[0].y0
        assert axes[2].get_ylabel() == "loss"
        assert axes[2].yaxis.get_tick_params()["labelleft"]
        assert min(ax._left_title.get_fontsize() for ax in axes) == SMALLEST
    assert not axes[2].yaxis.get_tick_params()["labelleft"]
    axes[0].set_ylabel("")
    with phone_layout(figure, 2):  # the values have no name here, and are told all the same
        assert axes[2].yaxis.get_tick_params()["labelleft"]


def test_a_long_title_is_broken_into_lines():
    title = "Training loss of three models; every character is seen less than once, the last twice"
    with style():
        figure, ax = plt.subplots(figsize=(7, 2))
        ax.plot([0, 1])
        ax.set_title(title)
    with phone_layout(figure, 1):
        lines = ax.get_title(loc="left").split("\n")
        assert len(lines) > 1
        assert " ".join(lines) == title
    assert ax.get_title(loc="left") == title


def test_a_figure_whose_text_would_collide_keeps_its_wide_form():
    with style():
        figure, ax = plt.subplots(figsize=(9, 2))
        ax.plot(range(40))
        ax.set_xticks(range(0, 40, 2), [f"word {i}" for i in range(20)], fontsize=6)
    assert figure_variants(figure) == {}


def test_pictures_keep_their_pixels_in_the_dark_and_the_ink_around_them_turns():
    rng = np.random.default_rng(0)
    with style():
        figure, ax = plt.subplots(figsize=(3, 3))
        ax.imshow(rng.random((4, 4)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_axis_off()
        ax.set_title("title")
    figure.draw_without_rendering()
    plain = io.BytesIO()
    figure.savefig(plain, format="png", bbox_inches="tight", pad_inches=0.1)
    light, turned = pixels(plain.getvalue()), pixels(figure_variants(figure)["dark"])
    assert light.shape == turned.shape
    middle = (slice(light.shape[0] // 3, -light.shape[0] // 4), slice(60, -60))
    assert (light[middle] == turned[middle]).all()
    ink = light[:40][..., 3] == 255
    assert ink.any()
    assert light[:40][ink][..., :3].max() < 80
    assert turned[:40][ink][..., :3].min() > 150


@pytest.mark.parametrize(
    ("colours", "turns"),
    [("Blues", True), ("PuOr", True), ("gray", False), ("viridis", False), (None, False)],
)
def test_numbers_in_colours_on_white_are_ink_and_no_bright_slab_in_the_dark(colours, turns):
    with style():
        figure, ax = plt.subplots(figsize=(3, 3))
        values = np.linspace(0, 1, 16).reshape(4, 4)
        shown = ax.imshow(values if colours else np.ones((4, 4, 3)), cmap=colours, vmin=0, vmax=1)
        if colours:
            figure.colorbar(shown, ax=ax)
    assert figure_variants(figure).keys() == (set() if turns else {"dark"})


def test_two_planes_stand_one_below_the_other():
    figure, axes = curves(2)
    for ax in axes:
        ax.set(aspect="equal", xlim=(0, 2), ylim=(0, 2))
    figure.draw_without_rendering()
    (n_columns,) = grid.column_counts(figure)
    assert n_columns == 1
    with phone_layout(figure, n_columns):
        assert min(ax.get_window_extent().width for ax in axes) > 1.5 * figure.dpi


def test_long_titles_take_nothing_from_the_width_of_images():
    with style():
        figure, axes = plt.subplots(1, 4, figsize=(7, 1.9))
        for ax in axes:
            ax.imshow(np.zeros((8, 8)), cmap="gray")
            ax.set_axis_off()
            ax.set_title("a recipe with a long name")
    figure.draw_without_rendering()
    with phone_layout(figure, 4):
        slots = [ax.get_position(original=True).width * figure.bbox.width for ax in axes]
        shown = [ax.get_window_extent().width for ax in axes]
        assert min(shown) > 0.9 * min(slots)


def test_a_title_is_not_broken_for_a_legend_that_has_left():
    figure, (ax, other) = curves(2)
    for number in range(2):
        ax.plot([0, 1], [1, number], label=f"the long name of a curve, {number}")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    ax.set_title("losses of the two")
    other.set_xlabel("training images")
    figure.draw_without_rendering()
    with phone_layout(figure, 1):
        assert ax.get_title() == "losses of the two"
        assert other.get_xlabel() == "training images"


def test_where_text_leaves_no_room_the_wide_form_stays():
    figure, axes = curves(3)
    for ax in axes:
        ax.set_ylabel("\n".join(40 * ["a line of a label"]))  # wider than a phone
    with pytest.raises(NoRoomError, match="collapsed"), phone_layout(figure, 1):
        pass
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        assert figure_variants(figure) == {}


def with_legend(height, **place):
    """A curve that fills its axes, with the names of several below or upon it."""
    with style():
        figure, ax = plt.subplots(figsize=(7, height))
        for number in range(3):
            ax.plot([0, 1, 2], [0, 2 + number, 1], label=f"a curve with a long name, {number}")
        ax.set_xlabel("steps")
        ax.legend(**place)
    return figure, ax


def lies_on_curves(ax):
    box = ax.get_legend().get_window_extent()
    paths = (line.get_path().transformed(line.get_transform()) for line in ax.lines)
    return any(path.intersects_bbox(box, filled=False) for path in paths)


@pytest.mark.parametrize(
    "place",
    [
        {"loc": "lower right", "bbox_to_anchor": (1, 0.1)},
        {"loc": "upper left", "bbox_to_anchor": (1, 1)},
    ],
    ids=["on the curves", "beside the axes"],
)
def test_on_a_phone_a_legend_stands_below_its_axes(place):
    figure, ax = with_legend(2.4, **place)
    figure.draw_without_rendering()
    before = ax.get_legend().get_window_extent().extents
    with phone_layout(figure, 1):
        assert not lies_on_curves(ax)
        box = ax.get_legend().get_window_extent()
        assert box.y1 <= ax.xaxis.label.get_window_extent().y0 + 1
        assert box.y0 >= 0
        assert ax.bbox.height > 0.6 * 2.4 * figure.dpi  # the figure grew by the legend
        assert ax.bbox.width > 0.7 * figure.bbox.width
    figure.draw_without_rendering()
    assert figure.get_size_inches().tolist() == [7, 2.4]
    np.testing.assert_allclose(ax.get_legend().get_window_extent().extents, before, atol=0.5)


def test_on_a_phone_a_legend_that_lies_on_bars_or_marks_is_moved_too():
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4))
        left.barh(range(6), range(6, 0, -1), label="bars")
        right.plot(range(40), 20 * [0, 1], "o", label="marks in all places")
        left.legend(loc="lower left")
        right.legend(loc="upper right")
    with phone_layout(figure, 1):
        for ax in (left, right):
            assert ax.get_legend().get_window_extent().y1 <= ax.bbox.y0


def test_a_legend_that_is_free_stays_where_it_is():
    with style():
        figure, ax = plt.subplots(figsize=(7, 2.4))
        ax.plot([0, 1], [0, 1], label="up")
        legend = ax.legend(loc="upper left")
    with phone_layout(figure, 1):
        box = legend.get_window_extent()
        assert ax.bbox.y0 < box.y0 < box.y1 <= ax.bbox.y1
        assert figure.get_size_inches().tolist() == [PHONE_WIDTH, 2.4]


def test_a_legend_of_many_columns_below_the_axes_has_a_form_for_phones():
    """Wider than a phone by itself: the axes beside it would collapse."""
    figure, ax = with_legend(3, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3)
    figure.draw_without_rendering()
    before = ax.get_legend().get_window_extent().size
    assert figure_variants(figure).keys() == {"phone"}
    with phone_layout(figure, 1):
        assert ax.get_legend().get_window_extent().width < figure.bbox.width
        assert len(ax.get_legend().get_texts()) == 3
        assert not lies_on_curves(ax)
    figure.draw_without_rendering()
    np.testing.assert_allclose(ax.get_legend().get_window_extent().size, before, atol=0.5)


def test_long_names_beside_bars_are_broken_and_the_bars_keep_their_room():
    names = ["raw pixels", "random weights, after the convolutions", "taught labels by chance"]
    with style():
        figure, ax = plt.subplots(figsize=(6.5, 1.6))
        ax.barh(range(3), [3, 2, 1])
        ax.set_yticks(range(3), names)
    assert figure_variants(figure).keys() == {"phone"}
    with phone_layout(figure, 1):
        shown = [label.get_text() for label in ax.get_yticklabels()]
        assert [text.replace("\n", " ") for text in shown] == names
        assert "\n" in shown[1]
        assert ax.bbox.width > 0.5 * figure.bbox.width
    figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    assert figure.get_size_inches().tolist() == [6.5, 1.6]


def test_pairs_of_images_stand_in_blocks_with_the_names_of_their_rows():
    images = np.zeros((10, 1, 8, 8), dtype=np.float32)
    figure = neighbour_pairs(
        torch.from_numpy(images), torch.from_numpy(images), np.arange(10)[:, None],
        distances=np.full((10, 1), 12.34),
    )  # fmt: skip
    assert {"phone", "phone_dark"} <= figure_variants(figure).keys()
    generated, nearest = figure.axes[:10], figure.axes[10:]
    with phone_layout(figure, 5):
        for above, below in zip(generated, nearest, strict=True):
            assert above.get_position().x0 == pytest.approx(below.get_position().x0, abs=1e-3)
            assert above.get_position().y0 > below.get_position().y0
        assert nearest[0].get_position().y0 > generated[5].get_position().y0
        assert [text.get_text() for text in generated[5].texts] == ["generated"]
        assert "nearest" in [text.get_text() for text in nearest[5].texts]
    assert not generated[5].texts


def test_axes_of_different_width_come_below_each_other_when_one_has_no_room():
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4), width_ratios=[4, 1])
        right.set_ylabel("a name")
    assert "phone" in figure_variants(figure)
    with phone_layout(figure, 1):
        assert right.get_position().y1 < left.get_position().y0
