"""Explorers of text models: what comes next, what sampling makes of it, where attention looks.

Everything is computed beforehand and the controls are linked in the browser. A field to type into
needs Python, and appears when a control is first moved with a kernel listening.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as ipw
import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.ar import AutoregressiveModel, SamplingConfig, Transformer
from aigc_tutorial.ar.generation.sampling import process
from aigc_tutorial.tokenizers import Tokenizer
from aigc_tutorial.viz.tokens import bars, coloured, token_labels
from aigc_tutorial.viz.widgets.frames import LABEL, play_button, side_by_side, stacked

FILTERS: Mapping[str, Sequence[float]] = {
    "top_k": (50, 20, 10, 5, 3, 1),
    "top_p": (1.0, 0.95, 0.9, 0.8, 0.5, 0.2),
    "min_p": (0.001, 0.01, 0.05, 0.1, 0.2, 0.5),
}
"""Settings of each filter that :func:`sampling_explorer` offers, from nothing removed to much."""

TEMPERATURES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


def next_token_explorer(
    model: AutoregressiveModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    start: int = 1,
    n_shown: int = 10,
) -> ipw.VBox:
    """Watch the distribution of the next token while a text is written, token by token.

    The token that the text has next is shown in another colour. Give a text that was sampled, and
    this replays how it came about.

    Args:
        model: any autoregressive model.
        tokenizer: the one it was trained with.
        texts: one or several, chosen by a menu, each of two tokens or more and not longer than the
            context.
        start: number of tokens shown first.
        n_shown: number of bars.

    Returns:
        A play button and a slider above text and bars. With a live kernel also a field: what comes
        next after whatever is typed.

    Raises:
        ValueError: if there is no text, or one of them is too short or too long.
    """
    if not texts:
        raise ValueError("there is no text to show")
    labels = token_labels(tokenizer)
    replays = [_replay(model, tokenizer, text, labels, start, n_shown) for text in texts]
    sliders = [slider for slider, _ in replays]
    typing = _typing(model, tokenizer, labels, n_shown)
    for slider in sliders:
        _reveal(typing, slider, "value")
    if len(replays) == 1:
        return ipw.VBox([replays[0][1], typing])
    menu = ipw.Dropdown(
        options=[_shorten(text) for text in texts], index=0, description="Text", style=LABEL
    )
    _reveal(typing, menu, "index")
    chosen = ipw.Stack([box for _, box in replays], selected_index=0)
    ipw.jslink((menu, "index"), (chosen, "selected_index"))
    return ipw.VBox([menu, chosen, typing])


def sampling_explorer(
    logits: Float[Tensor, " V"],
    labels: Sequence[str],
    *,
    n_shown: int = 12,
    temperatures: Sequence[float] = TEMPERATURES,
    filters: Mapping[str, Sequence[float]] = FILTERS,
) -> ipw.VBox:
    """Turn the knobs of sampling and see the distribution change; outlines show it unchanged.

    Args:
        logits: of the next token.
        labels: names of the tokens.
        n_shown: number of bars: the most probable tokens, which keep their places.
        temperatures: those offered; 1 must be among them.
        filters: settings offered for each of ``top_k``, ``top_p`` and ``min_p``.

    Returns:
        Sliders for the temperature and for a filter, chosen by a menu. It needs no kernel.
    """
    before = logits.softmax(dim=-1)
    order = before.topk(min(n_shown, len(before))).indices.tolist()

    def shown(config: SamplingConfig, name: str) -> str:
        after = process(logits, config).softmax(dim=-1)
        n_kept = int((after > 0).sum())
        entropy = float(torch.special.entr(after).sum())
        text = f"{n_kept} of {len(after)} tokens are left; entropy {entropy:.2f} nats"
        return f"<p>{text}</p>" + bars(
            after, labels, order=order, before=before, alt=f"Probabilities at {name}: {text}"
        )

    temperature = _slider("Temperature", [f"{t:g}" for t in temperatures], temperatures.index(1.0))
    panels, menu_names = [], []
    for key, settings in filters.items():
        name = key.replace("_", "-")
        options: list[dict[str, Any]] = [{key: setting} for setting in settings]
        slider = _slider(name, [f"{setting:g}" for setting in settings], 0)
        rows = []
        for t in temperatures:
            row = stacked(
                [
                    shown(
                        SamplingConfig(temperature=t, **option),
                        f"temperature {t:g}, {name} {setting:g}",
                    )
                    for setting, option in zip(settings, options, strict=True)
                ]
            )
            ipw.jslink((slider, "index"), (row, "selected_index"))
            rows.append(row)
        by_temperature = ipw.Stack(rows, selected_index=temperature.index)
        ipw.jslink((temperature, "index"), (by_temperature, "selected_index"))
        panels.append(ipw.VBox([slider, by_temperature]))
        menu_names.append(name)
    menu = ipw.Dropdown(options=menu_names, index=0, description="Filter", style=LABEL)
    chosen = ipw.Stack(panels, selected_index=0)
    ipw.jslink((menu, "index"), (chosen, "selected_index"))
    return ipw.VBox([side_by_side(temperature, menu), chosen])


def attention_explorer(
    model: Transformer,
    tokenizer: Tokenizer,
    text: str,
    *,
    heads: Sequence[tuple[int, int]],
    start: int | None = None,
) -> ipw.VBox:
    """Move a slider along a text and see which earlier tokens each head takes from.

    Args:
        model: a Transformer.
        tokenizer: the one it was trained with.
        text: not longer than the model's context.
        heads: pairs of layer and head, from 0, each with a view of its own in the menu.
        start: position shown first, by default the last.

    Returns:
        A menu of heads and a slider above the text, whose background is the deeper the more the
        outlined token takes from there. It needs no kernel.
    """
    tokens = tokenizer.encode(text).to(model.device)
    maps = model.attention_maps(tokens[None])[:, 0].cpu()
    pieces = [tokenizer.decode(token[None]) for token in tokens.cpu()]
    start = len(pieces) - 1 if start is None else start
    slider = ipw.IntSlider(
        value=start,
        min=0,
        max=len(pieces) - 1,
        description="Token",
        tooltip="Token that looks back",
        style=LABEL,
        layout=ipw.Layout(width="24em", max_width="100%"),
    )
    views = []
    for layer, head in heads:
        view = stacked([_looking_back(pieces, row, t) for t, row in enumerate(maps[layer, head])])
        view.selected_index = start
        ipw.jslink((slider, "value"), (view, "selected_index"))
        views.append(view)
    menu = ipw.Dropdown(
        options=[f"layer {layer + 1}, head {head + 1}" for layer, head in heads],
        index=0,
        description="Head",
        style=LABEL,
    )
    chosen = ipw.Stack(views, selected_index=0)
    ipw.jslink((menu, "index"), (chosen, "selected_index"))
    return ipw.VBox([side_by_side(menu, slider), chosen])


def _looking_back(pieces: Sequence[str], row: Tensor, t: int) -> str:
    """The text with one token outlined and the others coloured by what it takes from them."""
    values = row.tolist()
    values[t] = float("nan")
    most = int(row.argmax())
    where = "itself" if most == t else f"“{html.escape(pieces[most])}” {t - most} back"
    note = f"<p>takes most, {100 * float(row[most]):.0f} %, from {where}</p>"
    return coloured(pieces, values, largest=0.6) + note


@torch.no_grad()
def _replay(
    model: AutoregressiveModel,
    tokenizer: Tokenizer,
    text: str,
    labels: Sequence[str],
    start: int,
    n_shown: int,
) -> tuple[ipw.IntSlider, ipw.VBox]:
    """The slider, and the box that holds it, for one text."""
    tokens = tokenizer.encode(text)
    if not 1 <= start < len(tokens):
        raise ValueError(f"{text!r} has {len(tokens)} tokens; need more than start={start}")
    probabilities = model(tokens[None, :-1].to(model.device))[0].softmax(dim=-1).cpu()
    pictures = []
    for t in range(start, len(tokens)):
        comes, p = int(tokens[t]), probabilities[t - 1]
        written = tokenizer.decode(tokens[:t])
        alt = (
            f"What may come after {written!r}; {labels[comes]} comes, {100 * float(p[comes]):.1f} %"
        )
        pictures.append(_after(written, bars(p, labels, marked=comes, n_shown=n_shown, alt=alt)))
    slider = ipw.IntSlider(
        value=start,
        min=start,
        max=len(tokens) - 1,
        description="Tokens",
        tooltip="Tokens written so far",
        style=LABEL,
        layout=ipw.Layout(width="22em", max_width="100%"),
    )
    # The player counts frames from 0, the slider tokens from `start`: an empty picture for each
    # token before it lets both speak of the same number.
    shown = stacked([*[""] * start, *pictures])
    shown.selected_index = start
    play = play_button(len(tokens), 400, loop=False)
    play.min = play.value = start
    ipw.jslink((play, "value"), (slider, "value"))
    ipw.jslink((slider, "value"), (shown, "selected_index"))
    return slider, ipw.VBox([side_by_side(play, slider), shown])


def _after(written: str, picture: str) -> str:
    """The text so far above the picture of what may come."""
    return (
        '<div style="font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere;'
        f'line-height:1.6">{html.escape(written)}▁</div>{picture}'
    )


def _typing(
    model: AutoregressiveModel, tokenizer: Tokenizer, labels: Sequence[str], n_shown: int
) -> ipw.VBox:
    """A field and the bars of what comes after its text; hidden at first."""
    field = ipw.Text(
        description="Type",
        placeholder="and see what may come next",
        continuous_update=True,
        style=LABEL,
        layout=ipw.Layout(width="30em", max_width="100%"),
    )
    result = ipw.HTML()

    @torch.no_grad()
    def update(change: Mapping[str, str]) -> None:
        written = change["new"]
        try:
            tokens = tokenizer.encode(written)
        except ValueError as error:
            result.value = f"<p>{html.escape(str(error))}</p>"
            return
        if len(tokens) == 0:
            result.value = ""
            return
        last = tokens if model.context is None else tokens[-model.context :]
        p = model(last[None].to(model.device))[0, -1].softmax(dim=-1).cpu()
        result.value = bars(p, labels, n_shown=n_shown, alt=f"What may come after {written!r}")

    field.observe(update, names="value")
    return ipw.VBox([field, result], layout=ipw.Layout(display="none"))


def _reveal(hidden: ipw.Widget, control: ipw.Widget, trait: str) -> None:
    """Show a widget once a control was moved with a kernel listening."""

    def show(_change: object) -> None:
        hidden.layout.display = ""

    control.observe(show, names=trait)


def _slider(name: str, labels: Sequence[str], index: int) -> ipw.SelectionSlider:
    return ipw.SelectionSlider(
        options=[(label, i) for i, label in enumerate(labels)],
        index=index,
        description=name,
        tooltip=name,
        style=LABEL,
        layout=ipw.Layout(width="20em", max_width="100%"),
    )


def _shorten(text: str, length: int = 28) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
