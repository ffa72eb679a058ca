"""Texts are shown as they were given: no mathematics, no boxes, nothing that cannot be seen."""

import subprocess
import sys

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.text import Text

from aigc_tutorial import viz
from aigc_tutorial.data import Note, ring
from aigc_tutorial.viz import labels
from aigc_tutorial.viz.labels import written
from aigc_tutorial.viz.tokens import bars, coloured

AWKWARD = ["$", "$a$", "$^", "_", "\\", "%", "春", "\x07", "😀", "א", "<&>", "\u202e", "\U0001f9ec"]

IMAGES = torch.zeros(1, 1, 2, 2)
COLUMNS = ("loss_discriminator", "loss_generator", "probability_real", "probability_fake")
HISTORY: dict[str, list[float]] = {"n_images": [32, 64], **{name: [0.5, 0.6] for name in COLUMNS}}


def texts_of(figure):
    figure.canvas.draw()  # a glyph that no font has is a warning, and an error here
    return {text.get_text() for text in figure.findobj(Text)}


def test_what_a_font_has_stays_and_what_it_lacks_is_named(monkeypatch):
    monkeypatch.setattr(labels, "_characters", lambda family: frozenset(map(ord, "ab$é⟨⟩␇")))
    assert written("a$ é\n") == "a$ é\n"
    assert written("春b") == "⟨U+6625⟩b"
    assert written("\x07\u202e") == "␇⟨U+202E⟩"


def test_chinese_is_drawn_where_a_font_for_it_is_installed():
    installed = len(labels.families()) > 1
    assert written("春") == ("春" if installed else "⟨U+6625⟩")


@pytest.mark.parametrize("draw", [
    lambda: viz.token_maps({"$x$ 春": torch.rand(13, 13)}, AWKWARD, rows="$r$", columns="$c$"),
    lambda: viz.comparison_bars(dict.fromkeys(AWKWARD, 1.0), what="$w$", title="$t$").figure,
    lambda: viz.class_share_bars([1 / 13] * 13, names=AWKWARD, title="$t$").figure,
    lambda: viz.nll_curves({"$a$": ([1], [2]), "$^": ([1], [2])}, title="$t$", unit="$u$").figure,
    lambda: viz.image_grid(torch.zeros(1, 1, 2, 2), title="$t$").figure,
    lambda: viz.samples_2d(torch.rand(3, 2), title="$t$").figure,
    lambda: viz.density_2d(ring(8), title="$t$", resolution=4).figure,
    lambda: viz.discriminator_field_2d(lambda x: x[:, 0], 1.0, title="$t$", resolution=4).figure,
    lambda: viz.loss_curves(HISTORY, title="$t$").figure,
    lambda: viz.probability_curves(HISTORY, title="$t$").figure,
    lambda: viz.real_beside_generated(IMAGES, IMAGES, titles=("$a$", "$^")),
    lambda: viz.neighbour_pairs(IMAGES, IMAGES, [[0]], title="$t$"),
    lambda: viz.snapshots_strip({0: IMAGES}, title="$t$"),
    lambda: viz.spectrogram(torch.ones(800), 8000, marks={"$a$": 440.0}, title="$t$").figure,
    lambda: viz.piano_roll([Note(60, 1)], title="$t$").figure,
])  # fmt: skip
def test_every_label_is_taken_literally(draw):
    figure = draw()
    shown = texts_of(figure)
    given = {"$t$", "$w$", "$a$", "$r$", "$c$", "$u$", "$^", "$"}
    literal = [text for text in figure.findobj(Text) if text.get_text() in given]
    assert literal
    assert not any(text.get_parse_math() for text in literal)
    assert not {"\x07", "\u202e"} & shown


def test_nothing_in_html_is_hidden_or_turns_the_rest_around():
    picture = bars(torch.tensor([0.6, 0.4]), ["\u202e", "<b>$"], alt="x")
    assert "⟨U+202E⟩</text>" in picture
    assert "&lt;b&gt;$</text>" in picture
    text = coloured(["a\x00", "\u202e", "\n"], [0.0, 0.0, 0.0], largest=1.0)
    assert "a␀" in text
    assert "\u202e" not in text
    assert "\n" in text


def test_a_long_label_is_cut_and_keeps_room_for_its_bar():
    picture = bars(torch.tensor([0.9, 0.1]), ["春" * 30, "b"], alt="x")
    assert "春春春…" in picture
    assert "春" * 10 not in picture


def test_without_its_packages_every_module_names_the_command():
    code = """
import importlib, pkgutil, sys
import aigc_tutorial
from aigc_tutorial.environment import MissingDependencyError
sys.modules[sys.argv[1]] = None
folder = aigc_tutorial.__path__[0] + sys.argv[2]
for module in pkgutil.iter_modules([folder], "aigc_tutorial" + sys.argv[2].replace("/", ".") + "."):
    for loaded in [name for name in sys.modules if name.startswith("aigc_tutorial.viz")]:
        del sys.modules[loaded]
    try:
        importlib.import_module(module.name)
    except MissingDependencyError as error:
        assert sys.argv[1] in str(error) and "pip install" in str(error)
    else:
        sys.exit(f"{module.name} loaded without {sys.argv[1]}")
"""
    for package, folder in (("matplotlib", "/viz"), ("ipywidgets", "/viz/widgets")):
        subprocess.run([sys.executable, "-c", code, package, folder], check=True)


def test_numbers_come_from_anywhere_and_are_finite():
    parameter = torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True)
    viz.token_maps({"": parameter}, ["a", "b"])
    viz.nll_curves({"a": (torch.arange(3), parameter.detach().flatten()[:3])})
    viz.comparison_bars({"a": torch.tensor(3), "b": parameter.flatten()}, what="x")
    viz.surprise(["a", "b"], torch.tensor([1.0, 2.0], requires_grad=True))
    viz.montage(parameter.reshape(1, 1, 2, 2))
    plt.close("all")


@pytest.mark.parametrize(("draw", "message"), [
    (lambda: viz.token_maps({"m": torch.full((2, 2), torch.nan)}, "ab"), "4 of 4 numbers of m"),
    (lambda: viz.token_maps({"m": torch.rand(2, 3)}, "ab"), r"\(2, 3\), the labels are 2 by 2"),
    (lambda: viz.comparison_bars({"a": []}, what="x"), "a is empty"),
    (lambda: viz.comparison_bars({"a": float("nan")}, what="x"), "1 of 1 numbers of a"),
    (lambda: viz.comparison_bars({"a": 0.0}, what="x", log=True), "no place for zero"),
    (lambda: viz.class_share_bars([]), "shares is empty"),
    (lambda: viz.class_share_bars([1.5, -0.5]), "cannot be negative"),
    (lambda: viz.class_share_bars([0.5, 0.5], names=["a"]), "1 names for 2 shares"),
    (lambda: viz.loss_curves({"n_images": [1]}), "no column 'loss_discriminator'"),
    (lambda: viz.nll_curves({"a": ([1, 2], [1.0])}), "1 values at 2 numbers"),
    (lambda: viz.samples_2d(torch.full((2, 2), torch.inf)), "4 of 4 numbers of the samples"),
    (lambda: viz.montage(torch.full((1, 1, 2, 2), torch.nan)), "1 of 1 images hold values"),
    (lambda: viz.surprise(["a"], torch.ones(2)), "1 texts of tokens, and 2 numbers"),
    (lambda: viz.spectrogram(torch.full((800,), torch.nan), 8000), "800 entries that are NaN"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_named(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_a_network_in_training_is_asked_as_it_will_be_used():
    norm = torch.nn.BatchNorm1d(2)
    network = torch.nn.Sequential(norm, torch.nn.Linear(2, 1), torch.nn.Flatten(0)).train()
    before = norm.state_dict()["running_mean"].clone()
    viz.discriminator_field_2d(network, 1.0, resolution=4)
    assert network.training
    assert torch.equal(norm.state_dict()["running_mean"], before)
