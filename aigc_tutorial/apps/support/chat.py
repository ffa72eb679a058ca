"""A conversation with the desk: step through it in a page, go on with it in a kernel."""

import html
from collections.abc import Mapping, Sequence

import ipywidgets as ipw

from aigc_tutorial.apps.support.desk import Reply, SupportDesk
from aigc_tutorial.viz.widgets.frames import (
    LABEL,
    column,
    number_slider,
    reveal,
    stacked,
)

_BUBBLE = (
    "max-width:85%;padding:0.35em 0.8em;margin:0.25em 0;border:1px solid currentColor;"
    "border-radius:0.8em;overflow-wrap:anywhere;text-align:left;"
)


def chat(desk: SupportDesk, messages: Sequence[str]) -> ipw.VBox:
    """A transcript that a slider steps through.

    Args:
        desk: who answers.
        messages: of the customer, one a step.

    Returns:
        A slider above the conversation, which stands there whole at first: the page keeps room for
        all of it in any case. With a live kernel also a field, once the slider was moved: what the
        desk says to whatever is typed.

    Raises:
        ValueError: if there are fewer than two messages.
    """
    if len(messages) < 2:
        raise ValueError(f"a transcript takes two messages or more, got {len(messages)}")
    turns = [_turn(message, desk.reply(message)) for message in messages]
    views = ["", *("".join(turns[:n]) for n in range(1, len(turns) + 1))]
    n = len(turns)
    step = number_slider("Messages", 1, n, value=n, tooltip="Messages of the customer")
    shown = stacked(views, selected=n)
    ipw.jslink((step, "value"), (shown, "selected_index"))
    typing = _typing(desk)
    reveal(typing, step, "value")
    return column(step, shown, typing)


def _turn(message: str, reply: Reply) -> str:
    """HTML of a message and of what the desk says to it."""
    source = "handed over" if reply.entry is None else html.escape(reply.entry.title)
    note = f"{reply.intent.replace('_', ' ')}, {100 * reply.confidence:.0f} % · {source}"
    return (
        '<div style="display:flex;flex-direction:column;max-width:36em">'
        f'<div style="{_BUBBLE}align-self:flex-end"><b>Customer:</b> {html.escape(message)}</div>'
        f'<div style="{_BUBBLE}align-self:flex-start"><b>Desk:</b> {html.escape(reply.text)}'
        f'<div style="font-size:0.85em;margin-top:0.2em">{note}</div></div></div>'
    )


def _typing(desk: SupportDesk) -> ipw.VBox:
    """A field and the desk's reply to its text; hidden at first."""
    field = ipw.Text(
        description="Ask",
        placeholder="in English or Chinese, then Enter",
        continuous_update=False,
        style=LABEL,
        layout=ipw.Layout(width="30em", max_width="100%"),
    )
    result = ipw.HTML()

    def update(change: Mapping[str, str]) -> None:
        message = change["new"]
        try:
            result.value = _turn(message, desk.reply(message)) if message.strip() else ""
        except ValueError as error:  # as for a language without a line
            result.value = html.escape(str(error))

    field.observe(update, names="value")
    return ipw.VBox([field, result], layout=ipw.Layout(display="none"))
