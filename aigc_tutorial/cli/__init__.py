"""The command ``aigc-tutorial``: everything that the package does, from a terminal.

One file a command. A command is a frozen dataclass whose fields are the flags, checked when it is
made, with a method ``run``; :func:`parse` makes it of a command line, and :func:`main` runs it:

>>> from aigc_tutorial import cli
>>> cli.parse(["zoo", "show", "mnist-conv-gan"])
Show(name='mnist-conv-gan')

What goes wrong is said in a sentence on the standard error, with the exit code 2 if the command
line asks for what there is not, and 1 if what it asks for could not be done. ``--debug`` shows the
traceback too.
"""

from aigc_tutorial.cli.commands import COMMANDS, Command, help_text, parse
from aigc_tutorial.cli.running import main

__all__ = ["COMMANDS", "Command", "help_text", "main", "parse"]
