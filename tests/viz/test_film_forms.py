"""The forms of a film's frames: letters that can be read, one layout, nothing left behind."""

import base64
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from aigc_tutorial import viz
from aigc_tutorial.viz.style import style
from aigc_tutorial.viz.variants import PHONE_WIDTH, SMALLEST
from aigc_tutorial.viz.variants.films import FilmForms, find_places, kept_layout
from aigc_tutorial.viz.variants.legends import legends_in
from aigc_tutorial.viz.variants.words import texts_in
from aigc_tutorial.viz.widgets import frames

PROFILE = Path(__file__).parents[2] / "tools" / "page_profile.py"


def growing(n_frames, n_panels=2, **layout):
    """One figure that changes: a curve that rises, small words, and a title that gets longer."""
    with style():
        figure, axes = plt.subplots(1, n_panels, figsize=(7, 2.4), squeeze=False, **layout)
        for number, ax in enumerate(axes[0]):
            ax.set_title(f"panel {number}", fontsize=7, loc="left")
            ax.set_xlabel("steps")
            ax.set_ylim(0, n_frames)
        (line,) = axes[0, 0].plot([0, 1], [0, 0], label="rises")
        axes[0, 0].legend(loc="upper left")
    for frame in range(n_frames):
        line.set_ydata([0, frame])
        axes[0, -1].set_title("step " * (frame + 1), fontsize=7, loc="left")
        yield figure


def fields(n_frames):
    """One figure with a picture that changes, and is never as dark as letters are."""
    with style():
        figure, ax = plt.subplots(figsize=(7, 4))
        shown = ax.imshow(np.zeros((4, 4)), cmap="gray", vmin=0, vmax=n_frames)
        ax.set_title("a field")
    for frame in range(n_frames):
        shown.set_data(np.full((4, 4), frame + 1))
        yield figure


def film(figures, monkeypatch, n_frames=3, all_forms=True):
    monkeypatch.setenv(frames.ALL_FORMS, "1" if all_forms else "")
    movie = viz.widgets.frames_player(figures, [str(i) for i in range(n_frames)], alt="x")
    return [child.value for child in movie.children[1].children]


def pictures(text):
    """Tag and pixels of each picture in a frame's HTML."""
    found = re.findall(r'<(img|source) src(?:set)?="data:image/webp;base64,([^"]+)"', text)
    return [
        (tag, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")))
        for tag, data in found
    ]


def test_in_jupyter_a_frame_is_one_picture(monkeypatch):
    """The build alone asks for more, and draws the same wide frames."""
    alone = film(growing(3), monkeypatch, all_forms=False)
    assert [re.findall(r"<\w+", text) for text in alone] == 3 * [["<img"]]
    of_the_build = [pictures(text) for text in film(growing(3), monkeypatch)]
    for text, forms in zip(alone, of_the_build, strict=True):
        assert [tag for tag, _ in forms] == ["source", "img"]
        ((_, wide),) = pictures(text)
        np.testing.assert_array_equal(wide, forms[1][1])


def test_the_build_asks_with_the_variable_that_the_player_reads():
    assert f'os.environ["{frames.ALL_FORMS}"] = "1"' in PROFILE.read_text(encoding="utf-8")


def test_on_a_phone_all_frames_are_of_one_size_and_nothing_jumps(monkeypatch):
    shown = [pictures(text)[0][1] for text in film(growing(3), monkeypatch)]
    assert {picture.shape for picture in shown} == {shown[0].shape}
    assert shown[0].shape[1] == PHONE_WIDTH * 150
    # Where the curve and the longer title are not: the axes' names, numbers and frames.
    left = [picture[:, :45, 3] for picture in shown]
    assert left[0].any()
    np.testing.assert_array_equal(left[0], left[2])


def test_letters_are_large_and_axes_stand_in_fewer_columns():
    figures = growing(2, n_panels=4)
    figure = next(figures)
    places = find_places(figure)
    assert places is not None
    assert places.n_columns == 2
    with kept_layout(figure, places):
        assert min(float(text.get_fontsize()) for text in texts_in(figure)) >= SMALLEST
        boxes = [ax.get_position() for ax in figure.axes]
        assert boxes[2].y1 < boxes[0].y0
        assert figure.get_size_inches()[0] == PHONE_WIDTH


def test_a_figure_is_left_as_it_was():
    (figure,) = growing(1, n_panels=3)
    figure.draw_without_rendering()
    engine = figure.get_layout_engine()
    before = [ax.get_position().bounds for ax in figure.axes]
    assert "phone" in FilmForms().for_phones(figure)
    assert figure.get_layout_engine() is engine
    figure.draw_without_rendering()
    assert [ax.get_position().bounds for ax in figure.axes] == before
    assert figure.get_size_inches().tolist() == [7, 2.4]
    assert [ax._left_title.get_fontsize() for ax in figure.axes] == 3 * [7]


def test_a_frame_with_pictures_has_forms_for_the_dark_in_which_they_stay(monkeypatch):
    for number, text in enumerate(film(fields(3), monkeypatch)):
        light, dark = re.findall(r'<picture class="only-(?:light|dark)">.*?</picture>', text)
        for tag in (0, 1):  # for a phone, and wide
            there, turned = pictures(light)[tag][1], pictures(dark)[tag][1]
            assert there.shape == turned.shape
            middle = tuple(size // 2 for size in there.shape[:2])
            np.testing.assert_allclose(there[middle][:3], turned[middle][:3], atol=4)
            ink = (there[..., 3] == 255) & (there[..., :3].max(-1) < 60)
            assert ink.any(), number
            assert np.median(turned[ink][:, :3]) > 180


def test_figures_of_another_make_and_narrow_ones_have_no_form_for_a_phone(monkeypatch):
    def changing():
        with style():
            yield plt.subplots(1, 2, figsize=(7, 2))[0]
            yield plt.subplots(1, 3, figsize=(7, 2))[0]

    first, second = film(changing(), monkeypatch, n_frames=2)
    assert [tag for tag, _ in pictures(first)] == ["source", "img"]
    assert [tag for tag, _ in pictures(second)] == ["img"]
    with style():
        narrow = [plt.subplots(figsize=(3, 2))[0] for _ in range(2)]
    assert [pictures(t)[0][0] for t in film(narrow, monkeypatch, n_frames=2)] == ["img", "img"]


def test_a_legend_that_was_moved_is_moved_in_every_frame():
    with style():
        figure, ax = plt.subplots(figsize=(7, 2.4))
        (line,) = ax.plot(range(3), [0, 2, 0], label="a curve with a rather long name for a phone")
        ax.legend(loc="upper center")
    places = find_places(figure)
    assert places is not None
    assert places.below == (True,)
    line.set_ydata([0, 0, 0])  # the curve is out of its way now
    with kept_layout(figure, places):
        ((_, legend),) = legends_in(figure)
        box, labels = legend.get_window_extent(), ax.xaxis.get_tightbbox()
        assert labels is not None
        assert 0 <= box.y0 < box.y1 <= labels.y0 + 1


@pytest.mark.parametrize("ratios", [[2, 1], [1, 1]])
def test_axes_of_different_width_have_a_form_too(monkeypatch, ratios):
    for text in film(growing(2, width_ratios=ratios), monkeypatch, n_frames=2):
        assert [tag for tag, _ in pictures(text)] == ["source", "img"]
