"""Texts at which a sequence ends, found though they come in pieces."""

from collections.abc import Sequence


class StopTexts:
    """Passes text on up to the first of some texts, which itself is not passed on.

    The first is the one that is complete first, and of those that end together the longest: so it
    makes no difference how the text is cut. What could be the beginning of such a text is held back
    until more is known.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False

    def push(self, piece: str) -> str:
        """Take a piece; return what is certain to come before a stop."""
        if self.found:
            return ""
        text = self._held + piece
        places = [
            (place + len(stop), place) for stop in self._stops if (place := text.find(stop)) >= 0
        ]
        if places:
            self.found, self._held = True, ""
            return text[: min(places)[1]]
        n_held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - n_held :]
        return text[: len(text) - n_held]

    def flush(self) -> str:
        """Return what was held back, when no text comes any more."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text with which the stop begins, but is not whole."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
