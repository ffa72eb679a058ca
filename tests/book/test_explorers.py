"""Widgets become plain HTML: what is seen stands on the page, and what cannot move is refused."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets as ipw
import matplotlib.pyplot as plt
import pytest
import torch
from aigc_book import explorer_html, explorer_parts, explorers, figures, sounds
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from docutils.utils import new_document
from ipywidgets.embed import dependency_state
from matplotlib.figure import Figure
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE
from PIL import Image

from aigc_tutorial import viz
from aigc_tutorial.viz.widgets import frames

ExplorerError = explorer_parts.ExplorerError


def read(widget: ipw.Widget) -> explorer_parts.Explorer:
    """Read a widget as the build does, from its saved state."""
    return explorer_parts.read(widget.model_id, json.loads(json.dumps(dependency_state([widget]))))


def page_of(widget: ipw.Widget) -> Tag:
    written = explorer_html.write(read(widget), "explorer-1")
    return BeautifulSoup(written.html, "html.parser")


def film(n_frames: int = 3, **settings: Any) -> ipw.Widget:
    images = torch.linspace(-1, 1, n_frames).view(-1, 1, 1, 1, 1).expand(-1, 2, 1, 4, 4)
    labels = [f"{10 * i} steps" for i in range(n_frames)]
    return viz.widgets.frames_player(list(images), labels, alt="grey", **settings)


def linked(*views: str | ipw.Widget, start: int = 0) -> ipw.Widget:
    """A slider over views."""
    slider = frames.slider("Step", [str(i) for i in range(len(views))], index=start)
    shown = frames.stacked(views, selected=start)
    ipw.jslink((slider, "index"), (shown, "selected_index"))
    return frames.column(slider, shown)


def test_one_frame_stands_on_the_page_and_the_others_wait() -> None:
    page = page_of(film(3, start=1))
    views = page.select(".explorer-views > .explorer-view")
    assert [view.has_attr("hidden") for view in views] == [True, False, True]
    assert [view.find("template") is not None for view in views] == [True, False, True]
    (seen,) = [img for img in page.find_all("img") if img.find_parent("template") is None]
    assert seen["alt"] == "grey (10 steps)"
    waiting = [img for img in page.find_all("img") if img is not seen]
    assert [img["loading"] for img in waiting] == ["lazy", "lazy"]


def test_pictures_are_files_with_a_size_and_no_data_stay_in_the_page() -> None:
    written = explorer_html.write(read(film(3)), "explorer-1")
    assert "base64" not in written.html
    images = BeautifulSoup(written.html, "html.parser").find_all("img")
    assert len(written.pictures) == 3
    for image in images:
        name = str(image["src"]).removeprefix(f"{explorer_html.PICTURES}/")
        width, height = Image.open(io.BytesIO(written.pictures[name])).size
        assert int(str(image["width"])) / int(str(image["height"])) == pytest.approx(width / height)


def test_the_forms_of_a_frame_are_files_for_the_width_and_the_scheme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fields() -> Iterator[Figure]:
        figure, ax = plt.subplots(figsize=(7, 3))
        shown = ax.imshow([[0, 1]])
        for number in range(2):
            shown.set_data([[number, 1]])
            yield figure

    monkeypatch.setenv(frames.ALL_FORMS, "1")
    movie = viz.widgets.frames_player(fields(), ["a", "b"], alt="a field")
    written = explorer_html.write(read(movie), "explorer-1")
    assert "base64" not in written.html
    page = BeautifulSoup(written.html, "html.parser")
    sources = page.select("source")
    assert len(sources) == 4  # two frames in two schemes
    for source in sources:
        assert source["media"] == figures.PHONE
        name = str(source["srcset"]).removeprefix(f"{explorer_html.PICTURES}/")
        size = Image.open(io.BytesIO(written.pictures[name])).size
        assert (int(str(source["width"])), int(str(source["height"]))) == size
    schemes = [view.select("picture")[i]["class"] for view in page.select(".explorer-view")[:1]
               for i in (0, 1)]  # fmt: skip
    assert schemes == [["only-light"], ["only-dark"]]


def test_a_play_button_a_slider_and_the_views_have_one_state() -> None:
    page = page_of(film(3, milliseconds=70, loop=True))
    button, slider = page.select_one("button"), page.select_one("input")
    assert button is not None
    assert slider is not None
    assert button["data-milliseconds"] == "70"
    assert button.has_attr("data-loop")
    states = {element["data-state"] for element in page.select("[data-state]")}
    assert len(page.select("[data-state]")) == 3
    figure = page.select_one("figure")
    assert figure is not None
    assert dict.fromkeys(states, 0) == json.loads(str(figure["data-start"]))


def test_a_slider_says_what_the_eye_reads() -> None:
    page = page_of(film(3, start=2, name="Training"))
    slider, value = page.select_one("input[type=range]"), page.select_one(".explorer-value")
    assert slider is not None
    assert value is not None
    assert slider["aria-valuetext"] == value.text == "20 steps"
    assert json.loads(str(slider["data-labels"])) == ["0 steps", "10 steps", "20 steps"]
    label = page.select_one(f"label[for={slider['id']}]")
    assert label is not None
    assert label.text == "Training"


def test_a_sentence_stands_for_the_film_where_it_does_not_move() -> None:
    text = page_of(film(3, name="Training")).select_one("figcaption")
    assert text is not None
    assert text.text.startswith("One of 3 frames, Training: 0 steps to 20 steps.")
    several = explorer_html.still(read(viz.widgets.sampling_explorer([1.0, 2.0], ["a", "b"])))
    assert several.startswith("One of 108 views.")
    assert several.endswith(": Temperature, Filter, top-k, top-p, min-p.")


def test_views_within_views_are_seen_when_all_around_them_are() -> None:
    page = page_of(viz.widgets.sampling_explorer([1.0, 2.0, 3.0], ["a", "b", "c"]))
    drawn = [svg for svg in page.find_all("svg") if svg.find_parent("template") is None]
    assert len(drawn) == 1
    assert len(page.find_all("template")) == 107
    assert len(page.select("input[type=radio]")) == 3
    assert len(page.select("fieldset > legend")) == 1


def test_what_a_kernel_would_bring_is_left_out() -> None:
    button = ipw.Button(description="Draw", layout=ipw.Layout(display="none"))
    assert page_of(frames.column(linked("a", "b"), button)).select("button") == []


def test_tabs_that_stand_for_a_stack_do_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ipw, "Stack")
    assert len(page_of(film(3)).select(".explorer-views > .explorer-view")) == 3


@pytest.mark.parametrize(
    "texts",
    [("short", "a much longer text, of two lines"), ("a much longer text, of two lines", "short")],
)
def test_the_longest_text_has_its_place_kept_seen_first_or_not(texts: tuple[str, str]) -> None:
    sizer = page_of(linked(*texts)).select_one(".explorer-sizer")
    assert sizer is not None
    assert sizer.text == "a much longer text, of two lines"
    assert page_of(linked("short", "other")).select_one(".explorer-sizer") is None


def unlinked() -> ipw.Widget:
    return frames.column(frames.slider("Step", ["0", "1"]), frames.stacked(["a"]))


def one_way() -> ipw.Widget:
    slider, shown = frames.slider("Step", ["0", "1"]), frames.stacked(["a", "b"])
    ipw.jsdlink((slider, "index"), (shown, "selected_index"))
    return frames.column(slider, shown)


def another_trait() -> ipw.Widget:
    moving, text = linked("a", "b"), ipw.HTML("a")
    ipw.jslink((moving.children[0], "description"), (text, "value"))
    return frames.column(moving, text)


def too_long() -> ipw.Widget:
    slider, shown = frames.slider("Step", ["0", "1", "2"]), frames.stacked(["a", "b"])
    ipw.jslink((slider, "index"), (shown, "selected_index"))
    return frames.column(slider, shown)


def nameless() -> ipw.Widget:
    slider, shown = frames.slider("", ["0", "1"]), frames.stacked(["a", "b"])
    ipw.jslink((slider, "index"), (shown, "selected_index"))
    return frames.column(slider, shown)


def formula() -> ipw.Widget:
    slider, shown = frames.slider("Step", ["$x$", "1"]), frames.stacked(["a", "b"])
    ipw.jslink((slider, "index"), (shown, "selected_index"))
    return frames.column(slider, shown)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: frames.column(linked("a", "b"), ipw.Dropdown()), "a Dropdown, which does nothing"),
        (lambda: frames.column(linked("a", "b"), ipw.Button()), "a Button, which does nothing"),
        (unlinked, "linked to no views and does nothing"),
        (lambda: frames.stacked(["a", "b"]), "views that no control reaches"),
        (one_way, "DirectionalLinkModel from SelectionSliderModel.index"),
        (another_trait, "SelectionSliderModel.description to HTMLModel.value does not work"),
        (too_long, "goes from 0 to 2 and starts at 0, but there are 2 views"),
        (nameless, "has no name for those who do not see it"),
        (formula, "has the formula"),
    ],
)
def test_what_could_not_move_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ExplorerError, match=message):
        read(make())


def test_what_is_linked_must_start_together() -> None:
    widget = linked("a", "b")
    state = json.loads(json.dumps(dependency_state([widget])))
    (stack,) = [entry for entry in state.values() if entry["model_name"] == "StackModel"]
    stack["state"]["selected_index"] = 1
    with pytest.raises(ExplorerError, match="stands at 1 and what it is linked to at 0"):
        explorer_parts.read(widget.model_id, state)


def built(widget: ipw.Widget) -> tuple[SimpleNamespace, nodes.document]:
    """A page's environment and document, as MyST-NB leaves them."""
    state = {"state": json.loads(json.dumps(dependency_state([widget])))}
    data = {"js_files": {"ipywidgets_state": (None, {"body": json.dumps(state)})}}
    app = SimpleNamespace(env=SimpleNamespace(docname="book/page", nb_metadata={"book/page": data}))
    view = json.dumps({"model_id": widget.model_id, "version_major": 2})
    script = f'<script type="{WIDGET_VIEW_MIMETYPE}">{view}</script>'
    document = new_document("page")
    cell = nodes.container(cell_index=7)
    cell += nodes.raw("", script, format="html")
    document += cell
    return app, document


def test_the_widgets_state_leaves_the_page() -> None:
    app, document = built(film(3))
    explorers.replace_widgets(app, document)  # type: ignore[arg-type]
    assert list(document.findall(nodes.raw)) == []
    (node,) = document.findall(explorers.ExplorerNode)
    assert node["html"].startswith('<figure class="explorer"')
    assert app.env.nb_metadata["book/page"]["js_files"] == {}


def test_the_error_names_page_and_cell() -> None:
    app, document = built(frames.column(linked("a", "b"), ipw.Dropdown()))
    with pytest.raises(ExplorerError, match=r"book/page, cell 7 .*: it holds a Dropdown"):
        explorers.replace_widgets(app, document)  # type: ignore[arg-type]


def test_a_gif_becomes_a_film(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    first, *rest = (Image.new("L", (6, 4), 100 * i) for i in range(3))
    first.save(path, save_all=True, append_images=rest, duration=90, loop=0)
    page = explorers.film(path, 'a "b"', "Step", start=2, autoplay=True)
    written = explorer_html.write(page, "explorer-1")
    html = BeautifulSoup(written.html, "html.parser")
    assert len(written.pictures) == 3
    assert [img["alt"] for img in html.find_all("img")] == [f'a "b" ({i})' for i in (1, 2, 3)]
    button, figure = html.select_one("button"), html.select_one("figure")
    assert button is not None
    assert figure is not None
    assert button["data-milliseconds"] == "90"
    assert button.has_attr("data-loop")
    assert figure.has_attr("data-autoplay")
    assert json.loads(str(figure["data-start"])) == {"s0": 1}
    with pytest.raises(ExplorerError, match="from 0 to 2 and starts at 4"):
        explorers.film(path, "a", "Step", start=5, autoplay=False)


def test_a_sound_is_a_file_that_waits_until_it_is_played(tmp_path: Path) -> None:
    data = base64.b64encode(b"sound").decode()
    player = f'<audio controls preload="metadata" src="data:audio/wav;base64,{data}"></audio>'
    body = sounds.as_files(f"<p>{player}{player}</p>", "../_images", tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == b"sound"
    players = BeautifulSoup(body, "html.parser").find_all("audio")
    assert [player.attrs for player in players] == 2 * [
        {"controls": "", "src": f"../_images/{file.name}", "preload": "none"}
    ]
