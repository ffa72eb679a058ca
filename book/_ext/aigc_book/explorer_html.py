"""Explorers as HTML that a browser shows without a script, and that ``explorers.js`` moves.

Only what is seen at first is a part of the page. Every other view waits in a ``<template>``, where
a browser neither draws it nor loads its pictures, until the script takes it out.
"""

import base64
import hashlib
import html
import io
import json
import re
from dataclasses import dataclass, field

from PIL import Image

from .explorer_parts import Choice, Control, Explorer, Group, Markup, Part, Play, Slider, Views

PICTURES = "aigc-pictures:"
PICTURE = re.compile(
    r'<(?P<tag>img src|source srcset)="data:image/(?P<kind>\w+);base64,(?P<data>[^"]*)"'
    r"(?P<rest>[^>]*?)\s*/?>"
)
WIDTH, HEIGHT = re.compile(r'\swidth="(\d+)"'), re.compile(r'\sheight="(\d+)"')
TAG = re.compile(r"<[^>]*>")
# A text that is so much longer than the one seen first takes another line somewhere.
N_LETTERS_LONGER = 12


@dataclass
class Written:
    """An explorer's HTML.

    Attributes:
        html: The HTML; in the address of a picture ``PICTURES`` stands for their folder.
        pictures: Bytes of each picture by its name.
    """

    html: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)


def write(explorer: Explorer, identity: str) -> Written:
    """Return an explorer's HTML.

    Args:
        explorer: What to write.
        identity: Beginning of the ids in it, of which a page must have no other.
    """
    writer = _Writer(explorer, identity)
    body = writer.part(explorer.root, seen=True)
    start = _attribute(json.dumps(dict(explorer.states), separators=(",", ":")))
    autoplay = " data-autoplay" if explorer.autoplay else ""
    text = (
        f'<figure class="explorer" aria-label="{_attribute(name_of(explorer))}" '
        f'data-start="{start}"{autoplay}>\n{body}'
        f'<figcaption class="explorer-still">{html.escape(still(explorer))}</figcaption>\n'
        "</figure>\n"
    )
    return Written(text, writer.pictures)


def name_of(explorer: Explorer) -> str:
    """Return what a screen reader says when a reader comes to an explorer."""
    controls = explorer.controls()
    names = dict.fromkeys(control.name for control in controls if not isinstance(control, Play))
    kind = "Film" if any(isinstance(control, Play) for control in controls) else "Explorer"
    return f"{kind}: {', '.join(names)}" if names else kind


def still(explorer: Explorer) -> str:
    """Return the sentence for those to whom it does not move: on paper, and without JavaScript."""
    controls = explorer.controls()
    sliders = [control for control in controls if isinstance(control, Slider)]
    if any(isinstance(control, Play) for control in controls) and len(sliders) == 1:
        (only,) = sliders
        return (
            f"One of {len(only.labels)} frames, {only.name}: {only.labels[0]} to "
            f"{only.labels[-1]}. On a screen, with JavaScript, the picture moves."
        )
    names = dict.fromkeys(control.name for control in controls if not isinstance(control, Play))
    n_views = sum(
        isinstance(part, Markup) and bool(part.html)
        for views in explorer.all_views()
        for part in views.parts
    )
    return (
        f"One of {n_views} views. On a screen, with JavaScript, the reader chooses among them: "
        f"{', '.join(names)}."
    )


class _Writer:
    """Writes parts, and collects their pictures."""

    def __init__(self, explorer: Explorer, identity: str) -> None:
        self.explorer = explorer
        self.identity = identity
        self.pictures: dict[str, bytes] = {}
        self.n_controls = 0

    def part(self, part: Part, *, seen: bool) -> str:
        """Return a part's HTML; ``seen`` is whether it is seen at first."""
        if isinstance(part, Markup):
            return self._markup(part, seen)
        if isinstance(part, Views):
            return self._views(part, seen)
        if isinstance(part, Group):
            inner = "".join(self.part(child, seen=seen) for child in part.parts)
            only_controls = all(isinstance(child, Control) for child in part.parts)
            also = " explorer-controls" if only_controls else ""
            return f'<div class="explorer-{part.direction}{also}">\n{inner}</div>\n'
        return self._control(part)

    def _views(self, views: Views, seen: bool) -> str:
        selected = self.explorer.states[views.state]
        inner = ""
        for number, child in enumerate(views.parts):
            now = number == selected
            body = self.part(child, seen=seen and now)
            inner += f'<div class="explorer-view"{"" if now else " hidden"}>{body}</div>\n'
        return (
            f'<div class="explorer-views" data-state="{views.state}">\n'
            f"{inner}{self._sizer(views)}</div>\n"
        )

    def _sizer(self, views: Views) -> str:
        """Return an unseen copy of the longest text, which keeps its place free for it."""
        texts = [TAG.sub("", part.html) if isinstance(part, Markup) else "" for part in views.parts]
        longest = max(range(len(texts)), key=lambda number: len(texts[number]))
        if len(texts[longest]) < min(map(len, texts)) + N_LETTERS_LONGER:
            return ""
        longest_part = views.parts[longest]
        assert isinstance(longest_part, Markup)
        return f'<div class="explorer-sizer" aria-hidden="true" inert>{longest_part.html}</div>\n'

    def _markup(self, markup: Markup, seen: bool) -> str:
        text = PICTURE.sub(lambda found: self._picture(found, seen), markup.html)
        return text if seen or not text else f"<template>{text}</template>"

    def _picture(self, found: re.Match[str], seen: bool) -> str:
        """Return an ``<img>`` that names a file, of a size known before the file is loaded.

        So it is with the ``<source>`` of an ``<img>``, which has its size and is loaded by it.
        """
        data = base64.b64decode(found["data"])
        name = f"explorer-{hashlib.sha256(data).hexdigest()[:16]}.{found['kind']}"
        self.pictures[name] = data
        rest = found["rest"]
        if found["tag"] != "img src":
            return f'<{found["tag"]}="{PICTURES}/{name}"{rest}>'
        width, height = Image.open(io.BytesIO(data)).size
        if shown := WIDTH.search(rest):
            height = round(height * int(shown[1]) / width)
        else:
            rest += f' width="{width}"'
        if not HEIGHT.search(rest):
            rest += f' height="{height}"'
        # The script takes it out, and loads it if it is of the page's scheme.
        later = "" if seen else ' loading="lazy"'
        return f'<img src="{PICTURES}/{name}"{rest}{later} decoding="async">'

    def _control(self, control: Control) -> str:
        self.n_controls += 1
        identity = f"{self.identity}-{self.n_controls}"
        if isinstance(control, Play):
            return _play(control)
        if isinstance(control, Slider):
            return _slider(control, identity, self.explorer.states[control.state])
        return _choice(control, identity, self.explorer.states[control.state])


def _play(play: Play) -> str:
    loop = " data-loop" if play.loop else ""
    return (
        f'<button type="button" class="explorer-play" data-state="{play.state}" '
        f'data-low="{play.low}" data-high="{play.high}" '
        f'data-milliseconds="{play.milliseconds}"{loop}>Play</button>\n'
    )


def _slider(slider: Slider, identity: str, number: int) -> str:
    label = slider.labels[number - slider.low]
    spoken = _attribute(json.dumps(slider.labels, ensure_ascii=False, separators=(",", ":")))
    hint = "" if slider.hint == slider.name else f' title="{_attribute(slider.hint)}"'
    n_letters = max(len(label) for label in slider.labels)
    return (
        f'<div class="explorer-slider"><label for="{identity}">{html.escape(slider.name)}</label>'
        f'<input type="range" id="{identity}" data-state="{slider.state}" '
        f'min="{slider.low}" max="{slider.high}" value="{number}" autocomplete="off" '
        f'aria-valuetext="{_attribute(label)}" data-labels="{spoken}"{hint}>'
        f'<span class="explorer-value" aria-hidden="true" style="--letters: {n_letters}">'
        f"{html.escape(label)}</span></div>\n"
    )


def _choice(choice: Choice, identity: str, number: int) -> str:
    options = "".join(
        f'<label><input type="radio" name="{identity}" data-state="{choice.state}" '
        f'value="{i}" autocomplete="off"{" checked" if i == number else ""}>'
        f"<span>{html.escape(label)}</span></label>\n"
        for i, label in enumerate(choice.labels)
    )
    return (
        f'<fieldset class="explorer-choice"><legend>{html.escape(choice.name)}</legend>\n'
        f"{options}</fieldset>\n"
    )


def _attribute(text: str) -> str:
    return html.escape(text, quote=True)
