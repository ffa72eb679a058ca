"""The ``verified`` directive: when everything in the book was last verified, and by which run.

The workflow that publishes the book starts when all tests have passed, and says so in a variable:
the time at which they had, and the address of their run. A copy that somebody builds elsewhere says
that it was built there.
"""

import datetime
import os
import subprocess

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .repository import ROOT, repository_url, version

VARIABLE = "AIGC_TUTORIAL_VERIFIED"


def sentence(verified: str, state: str) -> str:
    """Return the sentence, in Markdown.

    Args:
        verified: When and by which run, ``2026-11-30T16:43:05Z https://…``; empty for a copy.
        state: What was built, as :func:`state_of_repository` says.

    Raises:
        ValueError: If ``verified`` is something else.
    """
    if not verified:
        return (
            f"This is a copy of {state}, built outside of the project's own workflow: its pages "
            "were run by whoever built it. When all of it was last verified, "
            f"[the workflow]({repository_url()}/actions) says."
        )
    time, _, run = verified.partition(" ")
    try:
        day = datetime.datetime.fromisoformat(time)
    except ValueError:
        day = None
    if day is None or not run.startswith("https://"):
        raise ValueError(
            f"{VARIABLE} must be a time and the address of a run, such as "
            f"2026-11-30T16:43:05Z https://…, got {verified!r}"
        )
    return (
        f"Last verified on {day.day} {day:%B %Y}: every page run, every test passed, by "
        f"[this run]({run}) of {state}."
    )


def state_of_repository() -> str:
    """Return the version, and the commit where there is one."""
    command = ["git", "log", "-1", "--format=%h of %cs"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git
        return f"version {version()}"
    return f"version {version()}, commit {result.stdout.strip()}"


class VerifiedDirective(SphinxDirective):
    """One paragraph, made anew with every build."""

    def run(self) -> list[nodes.Node]:
        """Return the paragraph."""
        self.env.note_reread()
        text = sentence(os.environ.get(VARIABLE, ""), state_of_repository())
        part = nodes.container()
        self.state.nested_parse(StringList([text], "verified"), self.content_offset, part)
        return list(part.children)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("verified", VerifiedDirective)
