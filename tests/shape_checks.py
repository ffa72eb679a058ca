"""The run-time checks of the tests: conftest.py installs them over the whole package.

jaxtyping's own decorator goes through the arguments of every call four times, which more than
doubled the time of the tests. Once is enough: a function whose annotations name an array is checked
by beartype within jaxtyping's memory of sizes; one whose annotations name none, by beartype alone.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

# An int is welcome where a float is asked for, as for every static type checker.
typechecked = beartype(
    conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError)
)
_jaxtyped: Any = jaxtyping.jaxtyped


def jaxtyped(function: Any = None, **options: Any) -> Any:
    """Decorate as ``jaxtyping.jaxtyped`` does, to the same effect and for less time a call."""
    if function is None:
        return functools.partial(jaxtyped, **options)
    # What a generator yields is not looked at; jaxtyping's decorator knows them.
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        return _jaxtyped(function, **options)
    if not function.__annotations__:
        return function
    checked = typechecked(function)
    try:
        shapes = [array.dim_str for hint in _hints(function) for array in _arrays(hint)]
    except NameError:  # a name that is defined further below
        shapes = ["{unknown}"]
    if not shapes:
        return checked
    if any("{" in shape for shape in shapes):  # a size that is the value of an argument
        return _jaxtyped(checked, typechecker=None)

    @functools.wraps(checked)
    def within_one_memory_of_sizes(*args: Any, **kwargs: Any) -> Any:
        with _jaxtyped("context"):
            return checked(*args, **kwargs)

    return within_one_memory_of_sizes


def _hints(function: Callable[..., Any]) -> list[Any]:
    return list(typing.get_type_hints(function).values())


def _arrays(hint: Any) -> Iterator[type[jaxtyping.AbstractArray]]:
    """The array types in an annotation, however deep."""
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        yield hint
    for part in typing.get_args(hint):
        for inner in part if isinstance(part, list) else [part]:
            yield from _arrays(inner)
