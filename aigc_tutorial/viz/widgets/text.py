"""Explorers of text models: what comes next, what sampling makes of it, where attention looks.

Everything is computed beforehand and the controls are linked in the browser. A field to type into
needs Python, and appears when a control is first moved with a kernel listening.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as ipw
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.ar import AutoregressiveModel, SamplingConfig, Transformer
from aigc_tutorial.ar.generation.sampling import process
from aigc_tutorial.nn.mode import evaluation_mode
from aigc_tutorial.tokenizers import REPLACEMENT, Tokenizer
from aigc_tutorial.viz.labels import visible
from aigc_tutorial.viz.numbers import Numbers, as_numbers
from aigc_tutorial.viz.tokens import bars, check_labels, coloured, token_label, token_labels
from aigc_tutorial.viz.widgets.frames import (
    LABEL,
    choice,
    column,
    number_slider,
    play_button,
    reveal,
    side_by_side,
    slider,
    stacked,
)

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
        texts: one or several, chosen by buttons, each of two tokens or more and not longer than the
            context.
        start: number of tokens shown first.
        n_shown: number of bars.

    Returns:
        A play button and a slider above text and bars. With a live kernel also a field: what comes
        next after whatever is typed.

    Raises:
        ValueError: if there is no text, one of them is too short or too long, or the tokenizer is
            not the model's.
    """
    if not texts:
        raise ValueError("there is no text to show")
    _check_vocabulary(model, tokenizer)
    labels = token_labels(tokenizer)
    replays = [_replay(model, tokenizer, text, labels, start, n_shown) for text in texts]
    typing = _typing(model, tokenizer, labels, n_shown)
    for written_so_far, _ in replays:
        reveal(typing, written_so_far, "value")
    if len(replays) == 1:
        return column(replays[0][1], typing)
    which = choice("Text", [_shorten(text) for text in texts])
    reveal(typing, which, "index")
    chosen = stacked([box for _, box in replays])
    ipw.jslink((which, "index"), (chosen, "selected_index"))
    return column(which, chosen, typing)


def sampling_explorer(
    logits: Numbers,
    labels: Sequence[str],
    *,
    n_shown: int = 12,
    temperatures: Sequence[float] = TEMPERATURES,
    filters: Mapping[str, Sequence[float]] = FILTERS,
) -> ipw.VBox:
    """Turn the knobs of sampling and see the distribution change; outlines show it unchanged.

    Args:
        logits: of the next token, in a tensor, an array or a list.
        labels: names of the tokens.
        n_shown: number of bars: the most probable tokens, which keep their places.
        temperatures: those offered; 1 must be among them.
        filters: settings offered for each of ``top_k``, ``top_p`` and ``min_p``.

    Returns:
        Sliders for the temperature and for a filter, and buttons that choose the filter. It needs
        no kernel.

    Raises:
        ValueError: if 1 is not among the temperatures, there is no filter or one without a setting,
            or there are not as many labels as logits.
    """
    # In float32 a token 104 nats below the best would have a probability of 0, as removed ones do.
    logits = torch.from_numpy(as_numbers(logits, "the logits", finite=False))
    check_labels(labels, len(logits))
    if 1 not in temperatures:
        raise ValueError(
            "1 must be among the temperatures, for the model's own distribution is shown first, "
            f"got {tuple(temperatures)}"
        )
    if not filters or not all(filters.values()):
        raise ValueError(f"expected filters with one setting or more each, got {dict(filters)}")
    before = logits.softmax(dim=-1)
    order = before.topk(min(n_shown, len(before))).indices.tolist()

    def shown(config: SamplingConfig, name: str) -> str:
        kept = process(logits, config)
        after, n_kept = kept.softmax(dim=-1), int((kept > -torch.inf).sum())
        entropy = float(torch.special.entr(after).sum())
        text = f"{n_kept} of {len(after)} tokens are left; entropy {entropy:.2f} nats"
        return f"<p>{text}</p>" + bars(
            after, labels, order=order, before=before, alt=f"Probabilities at {name}: {text}"
        )

    temperature = slider(
        "Temperature", [f"{t:g}" for t in temperatures], index=temperatures.index(1), width="20em"
    )
    panels, names = [], []
    for key, settings in filters.items():
        name = key.replace("_", "-")
        options: list[dict[str, Any]] = [{key: setting} for setting in settings]
        strength = slider(name, [f"{setting:g}" for setting in settings], width="20em")
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
            ipw.jslink((strength, "index"), (row, "selected_index"))
            rows.append(row)
        by_temperature = stacked(rows, selected=temperature.index)
        ipw.jslink((temperature, "index"), (by_temperature, "selected_index"))
        panels.append(ipw.VBox([strength, by_temperature]))
        names.append(name)
    which = choice("Filter", names)
    chosen = stacked(panels)
    ipw.jslink((which, "index"), (chosen, "selected_index"))
    return column(side_by_side(temperature, which), chosen)


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
        heads: pairs of layer and head, from 0, each with a view of its own.
        start: position shown first, by default the last.

    Returns:
        Buttons for the heads and a slider above the text, whose background is the deeper the more
        the outlined token takes from there. It needs no kernel.

    Raises:
        ValueError: if there is no head, or one that the model does not have; if the text is empty
            or ``start`` beyond it, or the tokenizer is not the model's.
    """
    _check_vocabulary(model, tokenizer)
    _check_heads(model, heads)
    tokens = tokenizer.prompt(text)
    if len(tokens) == 0:
        raise ValueError("the text is empty: there is no token that could look back")
    if start is not None and not 0 <= start < len(tokens):
        raise ValueError(f"start must lie in 0 … {len(tokens) - 1}, the text's tokens, got {start}")
    with evaluation_mode(model):
        maps = model.attention_maps(tokens[None].to(model.device))[:, 0].float().cpu()
    pieces = [_piece(tokenizer, int(token)) for token in tokens]
    start = len(pieces) - 1 if start is None else start
    looking = number_slider(
        "Token", 0, len(pieces) - 1, value=start, tooltip="Token that looks back"
    )
    views = []
    for layer, head in heads:
        rows = enumerate(maps[layer, head])
        view = stacked([_looking_back(pieces, row, t) for t, row in rows], selected=start)
        ipw.jslink((looking, "value"), (view, "selected_index"))
        views.append(view)
    which = choice("Head", [f"layer {layer + 1}, head {head + 1}" for layer, head in heads])
    chosen = stacked(views)
    ipw.jslink((which, "index"), (chosen, "selected_index"))
    return column(side_by_side(which, looking), chosen)


def _check_vocabulary(model: AutoregressiveModel, tokenizer: Tokenizer) -> None:
    if model.vocab_size != tokenizer.vocab_size:
        raise ValueError(
            f"the model knows {model.vocab_size} tokens and the tokenizer {tokenizer.vocab_size}; "
            "give the tokenizer that the model was trained with"
        )


def _check_heads(model: Transformer, heads: Sequence[tuple[int, int]]) -> None:
    n_layers, n_heads = model.config.n_layers, model.config.n_heads
    if not heads:
        raise ValueError("there is no head to show; give pairs of layer and head, from 0: [(0, 0)]")
    for layer, head in heads:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ValueError(
                f"there is no head {(layer, head)}: layers are 0 … {n_layers - 1} and heads "
                f"0 … {n_heads - 1}"
            )


def _piece(tokenizer: Tokenizer, token: int) -> str:
    """Text of a token, line ends as they are; a name for one that stands for no text."""
    text = tokenizer.decode(torch.tensor([token]))
    return text if text and REPLACEMENT not in text else token_label(tokenizer, token)


def _looking_back(pieces: Sequence[str], row: Tensor, t: int) -> str:
    """The text with one token outlined and the others coloured by what it takes from them."""
    values = row.tolist()
    values[t] = float("nan")
    most = int(row.argmax())
    where = "itself" if most == t else f"“{html.escape(visible(pieces[most]))}” {t - most} back"
    note = f"<p>takes most, {100 * float(row[most]):.0f} %, from {where}</p>"
    return coloured(pieces, values, largest=0.6) + note


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
    # What may come after each token of the text; what stands before the text is read as well.
    read = tokenizer.prompt(text)[:-1]
    probabilities = _probabilities(model, read)[len(read) - len(tokens) + 1 :]
    pictures = []
    for t in range(start, len(tokens)):
        comes, p = int(tokens[t]), probabilities[t - 1]
        written = tokenizer.decode(tokens[:t])
        alt = (
            f"What may come after {written!r}; {labels[comes]} comes, {100 * float(p[comes]):.1f} %"
        )
        pictures.append(_after(written, bars(p, labels, marked=comes, n_shown=n_shown, alt=alt)))
    written_so_far = number_slider(
        "Tokens", start, len(tokens) - 1, value=start, tooltip="Tokens written so far", width="22em"
    )
    # The player counts frames from 0, the slider tokens from `start`: an empty picture for each
    # token before it lets both speak of the same number.
    shown = stacked([*[""] * start, *pictures], selected=start)
    play = play_button(len(tokens), 400, loop=False, start=start, first=start)
    ipw.jslink((play, "value"), (written_so_far, "value"))
    ipw.jslink((written_so_far, "value"), (shown, "selected_index"))
    return written_so_far, ipw.VBox([side_by_side(play, written_so_far), shown])


@torch.no_grad()
def _probabilities(model: AutoregressiveModel, tokens: Int64[Tensor, " T"]) -> Float[Tensor, "T V"]:
    """What may come after each of the tokens, in float32 on the CPU."""
    with evaluation_mode(model):
        return model(tokens[None].to(model.device))[0].float().softmax(dim=-1).cpu()


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

    def update(change: Mapping[str, str]) -> None:
        written = change["new"]
        try:
            tokens = tokenizer.prompt(written)
        except ValueError as error:
            result.value = f"<p>{html.escape(str(error))}</p>"
            return
        if len(tokens) == 0:
            result.value = ""
            return
        last = tokens if model.context is None else tokens[-model.context :]
        p = _probabilities(model, last)[-1]
        result.value = bars(p, labels, n_shown=n_shown, alt=f"What may come after {written!r}")

    field.observe(update, names="value")
    return ipw.VBox([field, result], layout=ipw.Layout(display="none"))


def _shorten(text: str, length: int = 28) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
