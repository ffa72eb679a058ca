"""Explorers of a generator: walks through its latent space, and its training as a film."""

from collections.abc import Callable, Mapping, Sequence

import ipywidgets as ipw
import torch
from torch import nn

from aigc_tutorial.data.checks import as_tensor
from aigc_tutorial.gan.base import Generator
from aigc_tutorial.gan.latent import decode, great_circle, latents_by_digit, slerp
from aigc_tutorial.integers import IntegersLike
from aigc_tutorial.viz.images import Images
from aigc_tutorial.viz.widgets.frames import (
    column,
    number_slider,
    picture,
    play_button,
    side_by_side,
    slider,
    stacked,
)


def _replace(stack: ipw.Widget, pictures: Sequence[str]) -> None:
    for child, value in zip(stack.children, pictures, strict=True):
        child.value = value


def _live_button(
    label: str, action: Callable[[], None], controls: Mapping[ipw.Widget, str]
) -> ipw.Button:
    """A button that appears when one of ``controls`` is first moved with a kernel listening."""
    button = ipw.Button(description=label, layout=ipw.Layout(display="none", width="auto"))

    def reveal(_change: object) -> None:
        button.layout.display = ""

    for control, trait in controls.items():
        control.observe(reveal, names=trait)

    def act(_button: ipw.Button) -> None:
        button.disabled = True  # a second click would queue the work again
        try:
            action()
        finally:
            button.disabled = False

    button.on_click(act)
    return button


def latent_walk(
    model: Generator,
    labels: IntegersLike | None = None,
    *,
    n_samples: int = 12,
    n_frames: int = 48,
    n_columns: int = 6,
    rng: torch.Generator | None = None,
) -> ipw.VBox:
    """Walk through latent space on closed loops, one for each image shown.

    Each loop is a great circle, ``a cos 2πt + b sin 2πt``: every point of it is a draw from
    N(0, I), so each frame is as good a sample as any. See ``gan.latent.great_circle``.

    Args:
        model: the generator network.
        labels: class of each image, for a generator with classes, and only for such; by default
            all classes in turn.
        n_samples: images side by side, each on its own loop.
        n_frames: steps of a loop. With the defaults the page grows by less than half a megabyte.
        n_columns: images in a row.
        rng: source of randomness, by default seeded with 0.

    Returns:
        A play button and a slider above the picture; with a live kernel also a button for another
        walk, which appears once the slider is moved.
    """
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    if labels is None and model.n_classes is not None:
        labels = [i % model.n_classes for i in range(n_samples)]

    def frames() -> list[str]:
        a = model.sample_latent(n_samples, rng=rng)
        b = model.sample_latent(n_samples, rng=rng)
        return [
            picture(
                decode(model, z, labels),
                f"{n_samples} generated images at step {i + 1} of {n_frames} of a closed walk "
                "through latent space",
                n_columns=n_columns,
            )
            for i, z in enumerate(great_circle(a, b, n_frames))
        ]

    stack = stacked(frames())
    play = play_button(n_frames, 120, loop=True)
    step = number_slider(
        "Step",
        0,
        n_frames - 1,
        value=0,
        tooltip="Step on the loop through latent space",
        width="20em",
    )
    ipw.jslink((play, "value"), (step, "value"))
    ipw.jslink((step, "value"), (stack, "selected_index"))
    another = _live_button(
        "Another walk", lambda: _replace(stack, frames()), {step: "value", play: "value"}
    )
    return column(side_by_side(play, step, another), stack)


def interpolate(
    model: Generator,
    classifier: nn.Module,
    *,
    n_steps: int = 9,
    rng: torch.Generator | None = None,
) -> ipw.VBox:
    """Interpolate between two digits that the reader chooses, on the shell of N(0, I).

    The classifier finds a latent for each digit, and the path is ``gan.latent.slerp``. All 100
    pairs are computed beforehand: two sliders then choose with or without a kernel.

    Args:
        model: the generator network.
        classifier: maps images (B, C, H, W) to logits (B, 10).
        n_steps: images on the way, with both ends.
        rng: source of randomness, by default seeded with 0.

    Returns:
        Two sliders above the picture; with a live kernel also a button that draws other examples
        of the digits, which appears once a slider is moved.
    """
    rng = torch.Generator().manual_seed(0) if rng is None else rng

    def strips() -> list[list[str]]:
        latents = latents_by_digit(model, classifier, rng=rng)
        return [
            [
                picture(
                    decode(model, slerp(start, end, n_steps)),
                    f"{n_steps} generated images on the way from a {i} to a {j}",
                    n_columns=n_steps,
                )
                for j, end in enumerate(latents)
            ]
            for i, start in enumerate(latents)
        ]

    rows = [stacked(strip, selected=8) for strip in strips()]
    outer = stacked(rows, selected=3)
    digits = [str(digit) for digit in range(len(rows))]
    start = slider("From", digits, index=3, tooltip="Digit at the left end", width="15em")
    end = slider("to", digits, index=8, tooltip="Digit at the right end", width="15em")
    ipw.jslink((start, "index"), (outer, "selected_index"))
    for row in rows:
        ipw.jslink((end, "index"), (row, "selected_index"))

    def redraw() -> None:
        for row, strip in zip(rows, strips(), strict=True):
            _replace(row, strip)

    others = _live_button("Other examples", redraw, {start: "index", end: "index"})
    return column(side_by_side(start, end, others), outer)


def training_slider(
    snapshots: Mapping[int, Images], *, n_samples: int = 24, n_columns: int = 8
) -> ipw.VBox:
    """Move through the training of a generator, by the number of images that it has seen.

    Args:
        snapshots: from the number of images seen to samples at that time, from the same latents.
        n_samples: how many samples of each snapshot are shown.
        n_columns: images in a row.

    Returns:
        A play button and a slider above the picture. It needs no kernel.
    """
    if not snapshots:
        raise ValueError("there are no snapshots: train with a snapshot interval")
    counts = sorted(snapshots)
    shown = {count: as_tensor(snapshots[count], "snapshots")[:n_samples] for count in counts}
    stack = stacked(
        [
            picture(
                samples,
                f"{len(samples)} samples after {count:,} training images",
                n_columns=n_columns,
            )
            for count, samples in shown.items()
        ]
    )
    seen = slider("Seen", [f"{n:,} images" for n in counts], tooltip="Training images seen")
    play = play_button(len(counts), 500, loop=False)
    ipw.jslink((play, "value"), (seen, "index"))
    ipw.jslink((seen, "index"), (stack, "selected_index"))
    return column(side_by_side(play, seen), stack)
