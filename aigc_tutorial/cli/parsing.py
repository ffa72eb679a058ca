"""From words to a dataclass, by tyro; its help ends in examples, its errors are sentences."""

import contextlib
import copy
import dataclasses
import difflib
import inspect
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from aigc_tutorial.config import Config

PROGRAM = "aigc-tutorial"

CommandT = TypeVar("CommandT")

_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_SEEDS = 2**62  # further numbers are added to a seed, and 2**63 is the end
_BORDERS = "│╭╮╰╯─"  # of tyro's boxes on a terminal; elsewhere its rules are hyphens


class UsageError(Exception):
    """A command line that asks for what there is not; the message says what there is."""


class HelpShown(Exception):  # noqa: N818  nothing went wrong
    """Help was asked for and printed; there is nothing more to do."""


def parse_as(
    config_class: Callable[..., CommandT],
    arguments: Sequence[str],
    *,
    command: str,
    examples: Sequence[str],
    default: CommandT | None = None,
    required: Sequence[str] = (),
) -> CommandT:
    """Make a dataclass of the words of a command line.

    Args:
        config_class: the dataclass, its flags documented under ``Attributes:``; those of a
            dataclass in it are its own.
        arguments: the words after the command.
        command: what the command is called after the program's name: ``"zoo show"``.
        examples: whole command lines, shown under the help.
        default: what a flag that is not given has; by default what the class says.
        required: the flags among these that must be given all the same.

    Raises:
        HelpShown: if help was asked for, and was printed.
        UsageError: if the words do not fit.
    """
    import tyro  # here, since `--help` of the whole needs none of it

    program = f"{PROGRAM} {command}"
    said, told = io.StringIO(), io.StringIO()
    documented = getattr(config_class, "__origin__", config_class)
    text = inspect.cleandoc(_plain(documented.__doc__ or ""))
    about = text.partition("\n\nAttributes:")[0]
    options: dict[str, Any] = {}
    if default is not None:
        options["default"] = without = copy.copy(default)
        for name in required:
            object.__setattr__(without, name, tyro.MISSING)
    try:
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(told),
            _readable(config_class),
        ):
            return tyro.cli(
                config_class,
                args=list(arguments),
                prog=program,
                description=about,
                config=(tyro.conf.FlagCreatePairsOff,),
                registry=_whole_numbers(),
                **options,
            )
    except (TypeError, ValueError) as error:  # of a Config, whose settings are checked
        raise UsageError(f"{error}. {program} --help lists what there is") from error
    except SystemExit as end:
        if not end.code:
            print(said.getvalue().rstrip() + "\n\n" + _examples(examples))
            raise HelpShown from None
        raise UsageError(_sentence(told.getvalue(), program)) from None


def choose(
    arguments: Sequence[str],
    choices: Mapping[str, str],
    *,
    command: str,
    what: str,
    examples: Sequence[str],
    default: str | None = None,
) -> tuple[str, list[str]]:
    """Take the first word, one of a few, and print help where it is asked for.

    Args:
        arguments: the words after the command.
        choices: what may be chosen, each with a line that explains it.
        command: what the command is called after the program's name.
        what: what is chosen, in a word: ``"recipe"``.
        examples: whole command lines, shown under the help.
        default: what is chosen where no word is given.

    Returns:
        The choice, and the words after it.

    Raises:
        HelpShown: if help was asked for, and was printed.
        UsageError: if the word is none of the choices, or there is none and no default.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        width = max(map(len, choices))
        lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in choices.items())
        several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
        print(
            f"usage: {PROGRAM} {command} {what.upper()} [OPTIONS]\n\n"
            f"{several} ({PROGRAM} {command} {what.upper()} --help explains one):\n{lines}\n\n"
            f"{_examples(examples)}"
        )
        raise HelpShown
    if not arguments and default is not None:
        return default, []
    if not arguments:
        raise UsageError(
            f"{PROGRAM} {command} needs a {what}: {', '.join(choices)}; for example {examples[0]!r}"
        )
    name, *others = arguments
    if name not in choices:
        raise UsageError(
            f"{PROGRAM} {command} has no {what} {name!r}{closest(name, choices)}; it has "
            f"{', '.join(choices)}"
        )
    return name, others


def flags_of(
    command: Any, default: Any, *, unnamed: Sequence[str] = (), required: Sequence[str] = ()
) -> list[str]:
    """The words that make ``command`` out of ``default``: the flags in which they differ.

    Args:
        command: a dataclass, with others in it.
        default: one of its class.
        unnamed: fields whose own fields are flags without a prefix.
        required: fields that are given in any case.
    """
    words: list[str] = []
    for field in dataclasses.fields(command):
        value, before = getattr(command, field.name), getattr(default, field.name)
        flag = "--" + field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            inner = flags_of(value, before)
            prefix = "--" if field.name in unnamed else f"{flag}."
            words += [prefix + w[2:] if w.startswith("--") else w for w in inner]
        elif isinstance(value, bool) and value != before:
            words.append(flag if value else f"--no-{flag[2:]}")
        elif value != before or field.name in required:
            words += [flag, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def check_seed(seed: int) -> None:
    """Refuse what no generator of torch can be seeded with.

    Raises:
        ValueError: if it is negative, or too large.
    """
    if not 0 <= seed < _SEEDS:
        raise ValueError(f"--seed must be at least 0 and below 2**62, got {seed}")


def closest(word: str, known: Iterable[str]) -> str:
    """A question after the nearest of known words; nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _examples(examples: Sequence[str]) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in examples)


def _sentence(text: str, program: str) -> str:
    """What tyro says in a box of several parts, as a sentence."""
    lines = [
        re.sub(r"^-+$", "", line.strip().strip(_BORDERS).strip()) for line in text.splitlines()
    ]
    parts = [part.split() for part in "\n".join(lines).split("\n\n")]  # a rule is empty now
    said = [" ".join(words).rstrip(".") for words in parts if words]
    unknown = next((part for part in said if part.startswith("Unrecognized options:")), None)
    missing = next((part for part in said if part.startswith("Missing from")), None)
    if unknown is not None:
        message = f"there is no {unknown.partition(': ')[2]}"
        near = next((part for part in said if part.startswith("Perhaps you meant")), "")
        if flags := re.findall(r"--[\w.-]+", near):
            message += f"; did you mean {' or '.join(dict.fromkeys(flags))}?"
    elif missing is not None:
        flags = re.findall(r"^(--[\w.-]+|\[*[A-Z]+)\b", "\n".join(lines), re.MULTILINE)
        message = f"{' and '.join(dict.fromkeys(flags)) or missing} must be given"
    else:
        message = next((part for part in said[1:] if part), text)
        message = re.sub(r"^Error parsing \w+: ", "", message)
    end = "" if message.endswith("?") else "."
    return f"{message}{end} {program} --help lists what there is"


def _whole_numbers() -> Any:
    """Let 1e5 be a whole number, as it is in a configuration and in the book."""
    import tyro

    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def rule(info: Any) -> Any:
        if info.type is not int:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="INT",
            instance_from_str=lambda words: _whole(words[0]),
            is_instance=lambda value: isinstance(value, int) and not isinstance(value, bool),
            str_from_instance=lambda value: [str(value)],
        )

    return registry


def _whole(word: str) -> int:
    """A whole number, however it is written."""
    try:
        return int(word)
    except ValueError:
        with contextlib.suppress(ArithmeticError):
            number = Decimal(word)
            if number.is_finite() and number == number.to_integral_value() and number < 10**30:
                return int(number)
        raise ValueError(f"no whole number: {word!r}") from None


def _plain(text: str) -> str:
    """A docstring as a terminal shows it: without the markup of the reference pages."""
    return _ROLE.sub(r"\1", text).replace("``", "")


@contextlib.contextmanager
def _readable(config_class: Any) -> Iterator[None]:
    """Let tyro read the types and docstrings of a dataclass and of those in it.

    A ``Config`` keeps run-time type checkers off its types, and tyro with them; the docstrings are
    without their markup meanwhile.
    """
    classes = {found: found.__doc__ for found in _dataclasses_in(config_class)}
    Config.__no_type_check__ = False
    try:
        for found, text in classes.items():
            found.__doc__ = _plain(text or "")
        yield
    finally:
        Config.__no_type_check__ = True
        for found, text in classes.items():
            found.__doc__ = text


def _dataclasses_in(config_class: Any) -> Iterator[type]:
    """A dataclass and all that stand in its fields."""
    origin = getattr(config_class, "__origin__", config_class)
    for argument in getattr(config_class, "__args__", ()):
        yield from _dataclasses_in(argument)
    if isinstance(origin, type) and dataclasses.is_dataclass(origin):
        yield origin
        for field in dataclasses.fields(origin):
            yield from _dataclasses_in(field.type)
