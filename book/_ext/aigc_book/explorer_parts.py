"""What an explorer is made of, and how to read it from a notebook's widgets.

A page shows no widgets: a kernel draws them, and the book has none. What remains of an explorer is
plain: *states*, each a whole number; controls that change a state; and views, of which the one with
the state's number is seen. ``read`` finds them in the widgets' saved state. Widgets that are linked
have one state: a play button, its slider and the pictures that both move.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sphinx.errors import ExtensionError

# What each kind of widget gives to a link; the book knows no other ends.
LINKED = {
    "PlayModel": "value",
    "IntSliderModel": "value",
    "SelectionSliderModel": "index",
    "ToggleButtonsModel": "index",
    "StackModel": "selected_index",
    "TabModel": "selected_index",
}
STACKS = {"StackModel", "TabModel"}
BOXES = {"VBoxModel": "column", "HBoxModel": "row"}
FORMULA = re.compile(r"\$[^$]+\$|\\\(")


class ExplorerError(ExtensionError):
    """A page has an explorer that cannot move without a kernel."""


@dataclass(frozen=True)
class Play:
    """A button that counts a state from ``low`` to ``high``, one step in ``milliseconds``."""

    state: str
    low: int
    high: int
    milliseconds: int
    loop: bool


@dataclass(frozen=True)
class Slider:
    """A slider over the numbers ``low`` to ``high``; what the reader sees of each is its label.

    Attributes:
        state: The state that it changes.
        name: What stands beside it.
        hint: More words for the name, may be the same.
        low: First number.
        labels: One for each number from ``low`` on.
    """

    state: str
    name: str
    hint: str
    low: int
    labels: tuple[str, ...]

    @property
    def high(self) -> int:
        """The last number."""
        return self.low + len(self.labels) - 1


@dataclass(frozen=True)
class Choice:
    """Buttons of which one is pressed; the state is its number, from 0."""

    state: str
    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Markup:
    """HTML that does not change."""

    html: str


@dataclass(frozen=True)
class Views:
    """Parts of which one is seen: the one with the number of the state."""

    state: str
    parts: tuple["Part", ...]


@dataclass(frozen=True)
class Group:
    """Parts below each other (``column``) or side by side (``row``)."""

    direction: str
    parts: tuple["Part", ...]


Control = Play | Slider | Choice
Part = Control | Markup | Views | Group


@dataclass(frozen=True)
class Explorer:
    """A whole explorer: its parts, and the number of each state at first."""

    root: Part
    states: Mapping[str, int]
    autoplay: bool = False

    def __post_init__(self) -> None:
        """Refuse what a reader would find broken.

        Raises:
            ExplorerError: A control moves nothing, asks for a view that is not there, or has no
                name; a view cannot be reached; or a label is a formula.
        """
        counts: dict[str, int] = {}
        for views in self.all_views():
            counts[views.state] = min(len(views.parts), counts.get(views.state, len(views.parts)))
        for control in self.controls():
            if control.state not in counts:
                raise ExplorerError(f"{describe(control)} is linked to no views and does nothing")
            low, high = extent(control)
            if not 0 <= low <= self.states[control.state] <= high < counts[control.state]:
                raise ExplorerError(
                    f"{describe(control)} goes from {low} to {high} and starts at "
                    f"{self.states[control.state]}, but there are {counts[control.state]} views"
                )
            if isinstance(control, Play):
                continue
            if not control.name:
                raise ExplorerError(f"{describe(control)} has no name for those who do not see it")
            formulas = [label for label in control.labels if FORMULA.search(label)]
            if formulas:
                raise ExplorerError(
                    f"{describe(control)} has the formula {formulas[0]!r} for a label, which is "
                    "neither typeset nor spoken; write it in words"
                )
        reached = {control.state for control in self.controls()}
        lost = [state for state, count in counts.items() if count > 1 and state not in reached]
        if lost:
            raise ExplorerError("there are views that no control reaches; use ipywidgets.jslink")

    def parts(self) -> Iterator[Part]:
        """Return every part, from the top."""

        def below(part: Part) -> Iterator[Part]:
            yield part
            if isinstance(part, Group | Views):
                for child in part.parts:
                    yield from below(child)

        return below(self.root)

    def controls(self) -> list[Control]:
        """Return the controls, from the top."""
        return [part for part in self.parts() if isinstance(part, Control)]

    def all_views(self) -> list[Views]:
        """Return the views, from the top."""
        return [part for part in self.parts() if isinstance(part, Views)]


def extent(control: Control) -> tuple[int, int]:
    """Return the first and the last number that a control gives to its state."""
    if isinstance(control, Choice):
        return 0, len(control.labels) - 1
    return control.low, control.high


def describe(control: Control) -> str:
    """Return words for a control, for an error."""
    kind = {Play: "the play button", Slider: "the slider", Choice: "the choice"}[type(control)]
    return kind if isinstance(control, Play) else f"{kind} {control.name!r}"


def read(root: str, widgets: Mapping[str, Any]) -> Explorer:
    """Read the explorer whose outermost widget is ``root``.

    What is hidden at first is left out: it appears when a kernel listens, and here none does.

    Args:
        root: Identity of a widget.
        widgets: Widgets by identity, as a notebook's metadata has them.

    Raises:
        ExplorerError: It holds what needs a kernel, or see ``Explorer``.
    """
    if root not in widgets:
        raise ExplorerError("its widgets are not in the notebook; run the page again")
    reader = _Reader(widgets)
    part = reader.part(root)
    if part is None:
        raise ExplorerError("all of it is hidden")
    return Explorer(part, reader.states)


class _Reader:
    """Reads widgets, and gives those that are linked one state."""

    def __init__(self, widgets: Mapping[str, Any]) -> None:
        self.widgets = widgets
        self.states: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._links: dict[str, list[str]] = {}
        for widget in widgets.values():
            if widget["model_name"] not in {"LinkModel", "DirectionalLinkModel"}:
                continue
            ends = [widget["state"]["source"], widget["state"]["target"]]
            if any(end is None for end in ends):
                continue  # it was taken apart
            (first, one), (second, other) = ((_identity(end[0]), end[1]) for end in ends)
            for identity, trait in ((first, one), (second, other)):
                kind = widgets[identity]["model_name"]
                if LINKED.get(kind) != trait or widget["model_name"] != "LinkModel":
                    raise ExplorerError(
                        f"{widget['model_name']} from {widgets[first]['model_name']}.{one} to "
                        f"{widgets[second]['model_name']}.{other} does not work in the book; it "
                        "knows jslink between " + ", ".join(f"{k}.{t}" for k, t in LINKED.items())
                    )
            self._links.setdefault(first, []).append(second)
            self._links.setdefault(second, []).append(first)

    def part(self, identity: str) -> Part | None:
        """Return what is shown of a widget, or None if nothing is."""
        kind, state = self.widgets[identity]["model_name"], self.widgets[identity]["state"]
        if self._hidden(state):
            return None
        if kind in STACKS:
            # A view that shows nothing keeps its number.
            views = (self.part(child) or Markup("") for child in _children(state))
            return Views(self._state(identity), tuple(views))
        if kind in BOXES:
            parts = [part for child in _children(state) if (part := self.part(child)) is not None]
            return Group(BOXES[kind], tuple(parts)) if parts else None
        if kind == "HTMLModel":
            return Markup(state.get("value", ""))
        if kind == "PlayModel":
            return Play(
                self._state(identity),
                int(state.get("min", 0)),
                int(state.get("max", 100)),
                int(state.get("interval", 100)),
                bool(state.get("repeat", False)),
            )
        if kind == "IntSliderModel":
            low, high = int(state.get("min", 0)), int(state.get("max", 100))
            if state.get("step", 1) != 1:
                raise ExplorerError(f"a slider goes in steps of {state['step']}; let it go by 1")
            labels = [str(number) for number in range(low, high + 1)]
            return self._slider(identity, low, labels)
        if kind == "SelectionSliderModel":
            return self._slider(identity, 0, state["_options_labels"])
        if kind == "ToggleButtonsModel":
            options = tuple(state["_options_labels"])
            return Choice(self._state(identity), state.get("description", ""), options)
        raise ExplorerError(
            f"it holds a {kind.removesuffix('Model')}, which does nothing without a kernel; hide "
            "it until a kernel listens, or take a part of aigc_tutorial.viz.widgets.frames"
        )

    def _slider(self, identity: str, low: int, labels: Sequence[str]) -> Slider:
        state = self.widgets[identity]["state"]
        name = state.get("description", "")
        hint = state.get("tooltip") or name
        return Slider(self._state(identity), name, hint, low, tuple(labels))

    def _hidden(self, state: Mapping[str, Any]) -> bool:
        layout = self.widgets.get(_identity(state.get("layout") or ""), {"state": {}})["state"]
        return layout.get("display") == "none" or layout.get("visibility") == "hidden"

    def _state(self, identity: str) -> str:
        """Return the name of a widget's state, which all have that are linked with it."""
        if identity not in self._names:
            name = f"s{len(self.states)}"
            self.states[name] = self._number(identity)
            waiting = [identity]
            while waiting:
                linked = waiting.pop()
                if linked not in self._names:
                    self._names[linked] = name
                    waiting += self._links.get(linked, [])
        name = self._names[identity]
        if self.states[name] != self._number(identity):
            raise ExplorerError(
                f"a {self.widgets[identity]['model_name']} stands at {self._number(identity)} and "
                f"what it is linked to at {self.states[name]}; give both the same at first"
            )
        return name

    def _number(self, identity: str) -> int:
        widget = self.widgets[identity]
        return int(widget["state"].get(LINKED[widget["model_name"]]) or 0)


def _children(state: Mapping[str, Any]) -> list[str]:
    return [_identity(child) for child in state.get("children", [])]


def _identity(reference: str) -> str:
    return reference.removeprefix("IPY_MODEL_")
