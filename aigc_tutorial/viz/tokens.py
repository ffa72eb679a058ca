"""Tokens made visible: probabilities as bars, text coloured by a number for each token."""

import html
import math
import unicodedata
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.pages.display import Shown, show
from aigc_tutorial.tokenizers import REPLACEMENT, Tokenizer
from aigc_tutorial.viz.labels import sign, visible
from aigc_tutorial.viz.numbers import Numbers, as_numbers
from aigc_tutorial.viz.style import BLUE, VERMILLION

_WIDTH, _ROW, _LEFT, _RIGHT = 440, 19, 62, 70  # of a bar chart, in CSS pixels
_LONGEST = 20  # label of a bar, in letters
_THICKEST = 4  # line under a coloured token, in CSS pixels


def token_label(tokenizer: Tokenizer, token: int) -> str:
    """A short visible name of a token.

    >>> from aigc_tutorial.tokenizers import ByteTokenizer
    >>> [token_label(ByteTokenizer(), token) for token in (65, 32, 200)]
    ['A', '␣', '#200']
    """
    if token >= tokenizer.n_ordinary:
        return f"⟨{tokenizer.special_tokens[token - tokenizer.n_ordinary]}⟩"
    text = tokenizer.decode(torch.tensor([token]))
    return f"#{token}" if REPLACEMENT in text or not text else visible(text)


def token_labels(tokenizer: Tokenizer) -> list[str]:
    """A short visible name of every token, in the order of their numbers.

    >>> from aigc_tutorial.tokenizers import CharacterTokenizer
    >>> token_labels(CharacterTokenizer.from_text("to be", special_tokens=["eos"]))
    ['␣', 'b', 'e', 'o', 't', '⟨eos⟩']
    """
    return [token_label(tokenizer, token) for token in range(tokenizer.vocab_size)]


def bars(
    probabilities: Float[Tensor, " V"],
    labels: Sequence[str],
    *,
    alt: str,
    n_shown: int = 10,
    order: Sequence[int] | None = None,
    marked: int | None = None,
    before: Float[Tensor, " V"] | None = None,
) -> str:
    """Draw the most probable tokens as bars; the result is an SVG, to be used as HTML.

    Args:
        probabilities: of all V tokens. One of exactly 0 is shown as removed, with a dash.
        labels: names of the tokens.
        alt: what is to be seen, for readers who do not see it.
        n_shown: number of bars.
        order: tokens to show, from top to bottom; by default the most probable ones.
        marked: a token to show bold and in another colour, below the others if not among them.
        before: other probabilities of the same tokens, drawn as outlines.

    Raises:
        ValueError: if there are not as many labels as probabilities.
    """
    probabilities = torch.from_numpy(as_numbers(probabilities, "the probabilities"))
    check_labels(labels, len(probabilities))
    if order is None:
        order = probabilities.topk(min(n_shown, len(probabilities))).indices.tolist()
    rows = list(order)
    if marked is not None and marked not in rows:
        rows.append(marked)
    values = probabilities.tolist()
    outlines = None if before is None else as_numbers(before, "the outlines").tolist()
    names = {token: _shorten(visible(labels[token])) for token in rows}
    left = max([_LEFT, *(8 * _n_cells(name) + 16 for name in names.values())])
    room = _WIDTH - left - _RIGHT
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_ROW * len(rows)}" width="{_WIDTH}" role="img" '
        f'aria-label="{html.escape(alt)}" font-size="13" fill="currentColor" '
        'style="max-width: 100%; height: auto">'
    ]
    for i, token in enumerate(rows):
        top, base = _ROW * i + 3, _ROW * i + 14
        colour, bold = BLUE, ""
        if token == marked:
            colour, bold = VERMILLION, ' font-weight="bold"'
        width = room * values[token]
        parts.append(
            f'<text x="{left - 8}" y="{base}" text-anchor="end" font-family="monospace"{bold}>'
            f"{html.escape(names[token])}</text>"
            f'<rect x="{left}" y="{top}" width="{width:.1f}" height="13" fill="{colour}"/>'
        )
        end = width
        if outlines is not None:
            end = max(width, room * outlines[token])
            parts.append(
                f'<rect x="{left}" y="{top}" width="{room * outlines[token]:.1f}" height="13" '
                'fill="none" stroke="currentColor" stroke-width="0.8"/>'
            )
        text = f"{100 * values[token]:.1f} %" if values[token] > 0 else "–"
        parts.append(f'<text x="{left + end + 6:.1f}" y="{base}"{bold}>{text}</text>')
    return "".join([*parts, "</svg>"])


def check_labels(labels: Sequence[str], n_tokens: int) -> None:
    """Refuse labels that are not one for each token.

    Raises:
        ValueError: if there are fewer or more.
    """
    if len(labels) != n_tokens:
        raise ValueError(
            f"there are {len(labels)} labels for {n_tokens} tokens; give each token of the "
            "vocabulary its own, as viz.token_labels makes them"
        )


def _n_cells(text: str) -> int:
    """Width of a text in a font whose letters are equally wide; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _shorten(label: str) -> str:
    """A label that leaves room for its bar."""
    return label if _n_cells(label) <= _LONGEST else label[: _LONGEST // 2 - 1] + "…"


def coloured(labels: Sequence[str], values: Sequence[float], *, largest: float) -> str:
    """HTML of a text whose tokens have the deeper a background the larger their value.

    A line under each token, the thicker the larger, says the same without colour: in the dark, on
    paper, and to those who do not tell the colours apart.

    Args:
        labels: text of each token; a line end stays one.
        values: a number from 0 for each token; NaN for no colour at all, with an outline.
        largest: value of the deepest colour.
    """
    spans = []
    for label, value in zip(labels, values, strict=True):
        text = html.escape("".join(c if c in " \n\t" else sign(c) for c in label))
        if math.isnan(value):
            spans.append(f'<span style="outline:1px solid">{text}</span>')
            continue
        part = min(1.0, max(0.0, value / largest))
        look = (
            f' style="background:rgba(230,120,20,{0.6 * part:.2f});'
            f'border-bottom:{_THICKEST * part:.1f}px solid rgb(200,90,0)"'
            if part >= 0.02
            else ""
        )
        spans.append(f"<span{look}>{text}</span>")
    return (
        '<div style="font-family:monospace;white-space:pre-wrap;line-height:1.6;'
        f'overflow-wrap:anywhere">{"".join(spans)}</div>'
    )


def surprise(text: Sequence[str], nll: Numbers, *, largest: float = 6.0, caption: str = "") -> None:
    """Show a text whose tokens are coloured by how little they were expected.

    Args:
        text: each token's text.
        nll: negative log-likelihood of each, in nats; NaN where none was predicted.
        largest: nats of the deepest colour.
        caption: line above the text.
    """
    values = as_numbers(nll, "the likelihoods", finite=False).tolist()
    if len(text) != len(values):
        raise ValueError(f"there are {len(text)} texts of tokens, and {len(values)} numbers")
    head = f"<p>{html.escape(caption)}</p>" if caption else ""
    numbers = " ".join(f"{value:.1f}" for value in values)
    show(
        Shown(
            plain=f"{caption}\n{''.join(text)}\n{numbers}".strip(),
            html=head + coloured(text, values, largest=largest),
        )
    )
