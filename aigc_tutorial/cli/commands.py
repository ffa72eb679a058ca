"""The table of commands. Their modules are imported when they are called, and torch with them."""

import importlib
import importlib.util
import textwrap
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from aigc_tutorial.cli.parsing import PROGRAM, HelpShown, UsageError, closest

COMMANDS = {
    "doctor": "what this machine has, and whether its numbers can be trusted",
    "data": "the data sets: which lie here, and how to get the others",
    "zoo": "the trained models that come with the package; train one again",
    "sample": "digits and text from a trained model",
    "evaluate": "how good a model is, measured as its card says",
    "train": "train a model of your own; Ctrl-C stops, the same command goes on",
    "search": "better settings of a recipe, for digits or a text of yours, by trying",
    "export": "a model as ONNX and as torch's exported program",
    "serve": "models over HTTP, in the shape of OpenAI's API",
    "bench": "how fast a running service answers one client, and many",
}
"""What each command is for, in the order in which a reader meets them."""

FIRST_STEPS = (
    "aigc-tutorial doctor",
    "aigc-tutorial sample mnist-conditional-gan --labels 3 1 4",
    'aigc-tutorial sample shakespeare-characters --prompt "ROMEO:" --temperature 0.8',
    "aigc-tutorial train gan mnist-conv --n-images 20000 --folder runs/gan",
    "aigc-tutorial evaluate runs/gan",
)


@runtime_checkable
class Command(Protocol):
    """A command line that was understood."""

    def run(self) -> int | None:
        """Do what was asked for; return the exit code, None for 0."""


def parse(arguments: Sequence[str]) -> Command:
    """Understand a command line.

    Args:
        arguments: the words after ``aigc-tutorial``.

    Raises:
        HelpShown: if help was asked for, and was printed.
        UsageError: if there is no such command, or it has no such flag, or a value does not fit.
        MissingDependencyError: if the library is not installed that reads the flags.
    """
    name, *others = [*arguments] or ["--help"]
    if name in ("-h", "--help", "help"):
        if name == "help" and others:
            return parse([*others, "--help"])
        print(help_text())
        raise HelpShown
    if name == "--version":
        from aigc_tutorial import __version__

        print(f"{PROGRAM} {__version__}")
        raise HelpShown
    if name not in COMMANDS:
        raise UsageError(
            f"there is no command {name!r}{closest(name, COMMANDS)}; {PROGRAM} has "
            f"{', '.join(COMMANDS)}"
        )
    if importlib.util.find_spec("tyro") is None:
        from aigc_tutorial.environment import require  # torch with it, which `--help` needs not

        require("tyro", extra="cli")
    command: Command = importlib.import_module(f"aigc_tutorial.cli.{name}").parse(others)
    return command


def help_text() -> str:
    """What ``aigc-tutorial --help`` shows."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    steps = "\n".join(f"  {line}" for line in FIRST_STEPS)
    about = textwrap.fill(
        "Generative adversarial networks and autoregressive models: train them, sample from "
        "them, measure them. Every number says how it was measured, and every command can be "
        "given again: it goes on where it was.",
        width=88,
    )
    return f"""\
usage: {PROGRAM} COMMAND [OPTIONS]

{about}

commands ({PROGRAM} COMMAND --help explains one, with examples):
{commands}

first steps:
{steps}

everywhere:
  --debug                 show the whole traceback of an error
  AIGC_TUTORIAL_DATA      a folder with data sets; AIGC_TUTORIAL_OFFLINE=1 forbids downloads"""
