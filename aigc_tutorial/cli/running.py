"""Running a command: what goes wrong is told in a sentence, and what was asked to stop stops."""

import errno
import io
import os
import platform
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

from aigc_tutorial.cli.commands import parse
from aigc_tutorial.cli.parsing import PROGRAM, HelpShown, UsageError

_DEBUG = "--debug"
_FAILED, _NOT_UNDERSTOOD = 1, 2
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # 128 and the number of the signal, as shells say it
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

# What the package raises where a reader can mend it. All else is our fault, and its traceback helps
# whoever mends that.
_EXPECTED = (
    FloatingPointError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: the words after the program's name; by default those of the process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    is_debugged = _DEBUG in words
    words = [word for word in words if word != _DEBUG]
    shown: Any = warnings.showwarning
    as_a_line: Any = _show_warning
    warnings.showwarning = as_a_line
    _write_all_letters()
    try:
        code = _run(words)
        sys.stdout.flush()  # here, where a broken pipe is expected
    except BrokenPipeError:
        # Nobody reads any more, and the interpreter would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt as interruption:
        _tell(f"{interruption}" or "stopped")
        if str(interruption):
            print(f"To go on: {_same_command(words)}", file=sys.stderr)
        return _INTERRUPTED
    except UsageError as error:
        _tell(str(error))
        return _NOT_UNDERSTOOD
    except (MemoryError, *_EXPECTED) as error:
        if is_debugged:
            traceback.print_exc()
        _tell(_message(error))
        return _FAILED
    finally:
        warnings.showwarning = shown
    return code


def _write_all_letters() -> None:
    """On Windows a file or a pipe would get a code page, which lacks most letters of the poems."""
    if platform.system() == "Windows":
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
                stream.reconfigure(encoding="utf-8")


def _run(words: Sequence[str]) -> int:
    try:
        command = parse(words)
    except HelpShown:
        return 0
    return command.run() or 0


def _same_command(words: Sequence[str]) -> str:
    """What goes on with a run: what began it, and only its launcher knows the whole of that."""
    n_processes = os.environ.get("WORLD_SIZE", "1")
    if n_processes != "1":
        return f"the command that started these {n_processes} processes, as it was"
    return shlex.join([PROGRAM, *words])


def _message(error: BaseException) -> str:
    if _lacks_memory(error):
        said = str(error).partition("\n")[0] or type(error).__name__
        return (
            f"there is not enough memory for this ({said}); end other programs, or ask for less: "
            "a smaller --batch-size where there is one. What was saved before is as it was"
        )
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return (
            f"the disk is full ({error}); make room, and give the same command again. What was "
            "saved before is as it was"
        )
    # A KeyError shows its argument in quotation marks.
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return str(text) or f"{type(error).__name__}, without a message; {_DEBUG} shows where"


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True  # there may be none for an import
    from aigc_tutorial.environment import lacks_memory

    return lacks_memory(error)


def _tell(message: str) -> None:
    print(f"{PROGRAM}: {message}", file=sys.stderr)


def _show_warning(message: Any, *_: Any) -> None:
    """A warning as a line, without the place in our code."""
    print(f"{PROGRAM}: note: {message}", file=sys.stderr)
