"""The player holds every frame and moves without a kernel."""

import base64
import io
import json
import re

import ipywidgets as ipw
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from ipywidgets.embed import dependency_state
from PIL import Image
from traitlets import Bool, Int

from aigc_tutorial import viz
from aigc_tutorial.viz.style import new_axes, style
from aigc_tutorial.viz.widgets.frames import control


def bars(height):
    """A figure that fills ``height`` of its area with black."""
    with style():
        ax = new_axes(2, 1)
    ax.set_position((0, 0, 1, 1))
    ax.set_axis_off()
    ax.axhspan(0, height, color="black")
    ax.set_ylim(0, 1)
    ax.set_xlim(0, 1)
    return ax


def parts(movie):
    (play, slider), shown = movie.children[0].children, movie.children[1]
    return play, slider, shown


def pixels(text):
    (data,) = re.findall(r"base64,([^\"]+)", text)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def test_every_frame_is_stored_in_order_and_closed():
    movie = viz.widgets.frames_player(
        (bars(h) for h in (0.0, 0.5, 1.0)), ["none", "half", "all"], alt="a bar", name="Height"
    )
    play, slider, shown = parts(movie)
    black = [
        float((pixels(child.value)[..., 3] > 128).mean())  # transparent where nothing is drawn
        for child in shown.children
    ]
    assert black == pytest.approx([0, 0.5, 1], abs=0.03)
    assert [label for label, _ in slider.options] == ["none", "half", "all"]
    assert slider.description == "Height"
    assert (play.min, play.max) == (0, 2)
    assert 'alt="a bar (half)"' in shown.children[1].value
    assert plt.get_fignums() == []


def test_the_browser_moves_it():
    movie = viz.widgets.frames_player([bars(0.1), bars(0.2)], ["a", "b"], alt="x", start=1)
    play, slider, shown = parts(movie)
    links = [
        (entry["state"]["source"], entry["state"]["target"])
        for entry in dependency_state([movie]).values()
        if entry["model_name"] == "LinkModel"
    ]

    def end(widget, trait):
        return [f"IPY_MODEL_{widget.model_id}", trait]

    assert (end(play, "value"), end(slider, "index")) in links
    assert (end(slider, "index"), end(shown, "selected_index")) in links
    assert (play.value, slider.index, shown.selected_index) == (1, 1, 1)


def test_images_are_frames_too():
    images = torch.linspace(-1, 1, 3).view(3, 1, 1, 1, 1).expand(3, 2, 1, 4, 4)
    movie = viz.widgets.frames_player(list(images), ["1", "2", "3"], alt="grey squares", loop=True)
    play, _, shown = parts(movie)
    assert play.repeat
    assert [int(pixels(child.value)[0, 0, 0]) for child in shown.children] == [0, 128, 255]


def test_without_a_stack_tabs_without_their_row_do_the_same(monkeypatch):
    """ipywidgets 7, which Google Colab has, knows no Stack."""
    monkeypatch.delattr(ipw, "Stack")
    movie = viz.widgets.frames_player([bars(0.1), bars(0.2)], ["a", "b"], alt="x", start=1)
    _, slider, shown = parts(movie)
    assert isinstance(shown, ipw.Tab)
    assert shown.selected_index == 1
    assert len(shown.children) == 2
    (name,) = shown._dom_classes
    assert f".{name} > .p-TabBar {{ display: none }}" in movie.children[-1].value
    (to_picture,) = (
        entry["state"]["target"]
        for entry in dependency_state([movie]).values()
        if entry["model_name"] == "LinkModel"
        and entry["state"]["source"] == [f"IPY_MODEL_{slider.model_id}", "index"]
    )
    assert to_picture == [f"IPY_MODEL_{shown.model_id}", "selected_index"]


def test_with_a_stack_nothing_else_is_in_the_column():
    assert len(viz.widgets.frames_player([bars(0.1)], ["a"], alt="x").children) == 2


def test_settings_that_a_version_does_not_know_are_left_out():
    class Old(ipw.Widget):
        """A widget of an older version: `repeat` has another name, `tooltip` none."""

        value = Int()
        _repeat = Bool()

    widget = control(Old, value=3, repeat=True, tooltip="Play")
    assert (widget.value, widget._repeat) == (3, True)
    assert not hasattr(widget, "tooltip")


def test_what_cannot_be_played_is_refused():
    with pytest.raises(ValueError, match="2 labels, and only 1 frames"):
        viz.widgets.frames_player([bars(0.1)], ["a", "b"], alt="x")
    with pytest.raises(ValueError, match="1 labels, and more frames"):
        viz.widgets.frames_player([bars(0.1), bars(0.2)], ["a"], alt="x")
    with pytest.raises(ValueError, match="one of the 0 frames"):
        viz.widgets.frames_player([], [], alt="x")
    with pytest.raises(ValueError, match="one of the 1 frames, got 1"):
        viz.widgets.frames_player([bars(0.1)], ["a"], alt="x", start=1)
    changing = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"3 frames are one and the same Tensor.*x.clone\(\)"):
        viz.widgets.frames_player([changing] * 3, ["a", "b", "c"], alt="x")
    viz.widgets.frames_player([changing, -changing - 1, changing], ["a", "b", "c"], alt="x")
    ax = bars(0.1)
    ax.remove()
    with pytest.raises(ValueError, match="belong to no figure"):
        viz.widgets.frames_player([ax], ["a"], alt="x")


def test_a_page_can_afford_forty_frames():
    def field(seed):
        with style():
            ax = new_axes(7, 3.5)
        x = torch.linspace(-3, 3, 200)
        ax.imshow((x[:, None] * x + seed).sin(), cmap="PuOr")
        points = torch.randn(2, 500, generator=torch.Generator().manual_seed(seed)) * 30 + 100
        ax.plot(*points, ".")
        return ax

    movie = viz.widgets.frames_player(map(field, range(4)), list("abcd"), alt="x")
    assert len(json.dumps(dependency_state([movie]))) < 4 * 60_000


def test_labels_may_be_made_while_the_frames_are():
    movie = viz.widgets.frames_player(map(bars, [0.1, 0.2]), map(str, [1, 2]), alt="x")
    assert len(movie.children[1].children) == 2
