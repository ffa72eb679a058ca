"""The look of figures: contrast, colour-blind readers, saving."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from aigc_tutorial.viz import nll_curves, save_figure
from aigc_tutorial.viz.style import INK, PALETTE, PLATES, contrast_ratio, style

# Simulation of full deuteranopia and protanopia in linear RGB: Machado, Oliveira, Fernandes (2009).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)
PROTANOPIA = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    f = np.cbrt(np.clip(TO_XYZ @ rgb, 1e-6, None) / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_contrast_ratio_has_the_known_values():
    assert contrast_ratio("black", "white") == pytest.approx(21)
    assert contrast_ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast_ratio("red", "red") == 1


@pytest.mark.parametrize("plate", PLATES.values())
def test_text_and_lines_stand_out_on_both_plates(plate):
    assert contrast_ratio(INK, plate) >= 7  # enhanced contrast of text
    assert min(contrast_ratio(colour, plate) for colour in PALETTE) >= 3  # graphical objects


def test_no_grey_would_do_for_a_transparent_figure_on_a_dark_page():
    greys = [f"#{g:02x}{g:02x}{g:02x}" for g in range(256)]
    best = max(min(contrast_ratio(g, "#ffffff"), contrast_ratio(g, "#121212")) for g in greys)
    assert best < 4.5


@pytest.mark.parametrize("vision", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
def test_first_colours_differ_for_every_reader(vision):
    seen = [lab(vision @ linear(colour)) for colour in PALETTE[:2]]
    assert all(np.linalg.norm(a - b) > 40 for a, b in itertools.combinations(seen, 2))


def test_no_two_of_sixteen_lines_look_alike():
    """A figure of five runs had two that could not be told apart."""
    curves = {f"run {i}": ([0, 1], [i, i]) for i in range(16)}
    with style():
        plain = plt.subplots()[1]
        for _ in curves:
            plain.plot([0, 1])
    for ax in (nll_curves(curves), plain):
        looks = {(line.get_color(), str(vars(line)["_unscaled_dash_pattern"])) for line in ax.lines}
        assert len(looks) == len(ax.lines) == 16


def test_style_does_not_outlive_its_block():
    before = plt.rcParams["figure.dpi"]
    with style():
        assert plt.rcParams["figure.facecolor"] == "none"
    assert plt.rcParams["figure.dpi"] == before


def test_saved_figures_are_opaque_and_leave_nothing_else(tmp_path):
    with style():
        _, ax = plt.subplots(figsize=(1, 1))
    path = save_figure(ax, tmp_path / "figure.png")
    pixels = plt.imread(path)
    assert pixels[0, 0].tolist() == [1, 1, 1, 1]
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="must end in"):
        save_figure(ax, tmp_path / "figure")
