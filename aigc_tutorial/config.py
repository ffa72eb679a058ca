"""Frozen dataclasses as the only configuration: checked when made, to JSON and back, strictly."""

import dataclasses
import inspect
import json
import math
import numbers
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np

from aigc_tutorial.files import parse_json

ConfigT = TypeVar("ConfigT")
InstanceT = TypeVar("InstanceT")


class Config:
    """Base of the configurations: each setting is what its annotation says, or there is no object.

    What can be taken without loss is taken: NumPy's numbers become Python's, which JSON can write,
    lists become tuples, and a whole number that is written as 1e6 serves as an int. All else is an
    error that names the setting. A subclass is a frozen dataclass; one that overrides
    ``__post_init__`` to check ranges with :meth:`require` calls this one's first.
    """

    # Where a run-time type checker is at work, as in the tests, it leaves the checks to this class.
    __no_type_check__ = True

    def __post_init__(self) -> None:
        """Bring each setting to its declared type.

        Raises:
            TypeError: if a setting has another type.
            ValueError: if it is not finite, is no allowed text, or has the wrong length.
        """
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            name = f"{type(self).__name__}.{field.name}"
            hint = field.type
            if isinstance(hint, str):  # as under ``from __future__ import annotations``
                hint = _annotations(type(self))[field.name]
            value = _convert(getattr(self, field.name), hint, name)
            object.__setattr__(self, field.name, value)

    def require(
        self,
        *names: str,
        at_least: float | None = None,
        above: float | None = None,
        at_most: float | None = None,
        below: float | None = None,
    ) -> None:
        """Refuse settings out of a range; None passes, of a tuple each number must be in it.

        Args:
            *names: of the settings.
            at_least: the smallest allowed value.
            above: what a value must exceed.
            at_most: the largest allowed value.
            below: what a value must stay under.

        Raises:
            ValueError: if one is outside.
        """
        limits = {"at least": at_least, "above": above, "at most": at_most, "below": below}
        wanted = " and ".join(f"{word} {x}" for word, x in limits.items() if x is not None)
        for name in names:
            setting = getattr(self, name)
            for value in setting if isinstance(setting, tuple) else (setting,):
                if value is not None and not (
                    (at_least is None or value >= at_least)
                    and (above is None or value > above)
                    and (at_most is None or value <= at_most)
                    and (below is None or value < below)
                ):
                    raise ValueError(f"{name} must be {wanted}, got {setting}")

    def require_instance(self, name: str, config_class: type) -> None:
        """Refuse a setting that is no ``config_class``, but one with further settings too.

        Raises:
            TypeError: if it is something else.
        """
        if type(value := getattr(self, name)) is not config_class:
            raise TypeError(f"{name} must be a {config_class.__name__}, got {value!r}")


def _annotations(config_class: type) -> dict[str, Any]:
    """The types of a class's settings, of which those that are written as texts are looked up."""
    found: dict[str, Any] = {}
    for parent in reversed(config_class.__mro__):
        found |= inspect.get_annotations(parent, eval_str=True)
    return found


def _convert(value: Any, hint: Any, name: str) -> Any:
    """Return ``value`` as the type ``hint`` asks for it, or raise an error that names it."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) > 1:
            raise _unknown_annotation(hint, name)
        return _convert(value, options[0], name)
    if origin is Literal:
        plain = value.item() if isinstance(value, np.generic) else value
        for allowed in get_args(hint):
            of_one_kind = isinstance(plain, bool) == isinstance(allowed, bool)
            if of_one_kind and isinstance(plain, type(allowed)) and plain == allowed:
                return allowed
        allowed_texts = ", ".join(map(repr, get_args(hint)))
        raise ValueError(f"{name} must be one of {allowed_texts}, got {value!r}")
    if origin is tuple:
        return _convert_tuple(value, get_args(hint), name)
    if hint in (int, float):
        return _convert_number(value, hint, name)
    if hint is bool and isinstance(value, np.bool_):
        return bool(value)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_dict(hint, value)  # type: ignore[arg-type]
    if origin is type:
        (parent,) = get_args(hint)
        if not (isinstance(value, type) and issubclass(value, parent)):
            raise TypeError(f"{name} must be a class of {parent.__name__}s, got {value!r}")
    elif hint is not Any and not isinstance(hint, type):
        raise _unknown_annotation(hint, name)
    elif hint is not Any and not isinstance(value, hint):
        raise TypeError(f"{name} must be a {hint.__name__}, got {value!r}")
    return value


def _unknown_annotation(hint: Any, name: str) -> TypeError:
    return TypeError(
        f"{name} is annotated {hint}, which a Config cannot check; it checks a class, a tuple, a "
        "Literal, type[...], each of them or None, and takes anything for Any"
    )


def _convert_number(value: Any, kind: type[int] | type[float], name: str) -> int | float:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if is_number and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}")
    if is_number and (isinstance(value, numbers.Integral) or (kind is int and value == int(value))):
        return int(value)
    if is_number and kind is float:
        return float(value)
    expected = "a whole number" if kind is int else "a number"
    raise TypeError(f"{name} must be {expected}, got {value!r}")


def _convert_tuple(value: Any, hints: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple | np.ndarray):
        raise TypeError(f"{name} must be a tuple, got {value!r}")
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(value)
    if len(value) != len(hints):
        raise ValueError(f"{name} must have {len(hints)} entries, got {value!r}")
    pairs = zip(value, hints, strict=True)
    return tuple(_convert(item, hint, f"{name}[{i}]") for i, (item, hint) in enumerate(pairs))


def as_instance(value: Any, kind: type[InstanceT], name: str, remedy: str) -> InstanceT:
    """Return an argument that must be of a class.

    Args:
        value: the argument.
        kind: its class.
        name: its name.
        remedy: what to give, the end of a sentence.

    Raises:
        TypeError: if it is of another class.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be of the class {kind.__name__}, got {value!r}; {remedy}")
    return value


def as_function(value: Any, name: str, what: str) -> Any:
    """Return an argument that must be a function of one argument.

    Otherwise it would be found out at the first call, which may be after hours of training.

    Args:
        value: the argument.
        name: its name.
        what: what it is given and returns, the middle of a sentence.

    Raises:
        TypeError: if it cannot be called, or not with one argument.
    """
    reason = ""
    if callable(value):
        try:
            signature = inspect.signature(value)
        except (TypeError, ValueError):
            return value  # some of those written in C do not tell what they take
        try:
            signature.bind(None)
        except TypeError as error:
            reason = f" ({error}); what else it needs is bound by functools.partial"
        else:
            return value
    raise TypeError(f"{name} must be a function that {what}, got {value!r}{reason}")


def to_json(config: Any) -> str:
    """Write a configuration dataclass as indented JSON text.

    Raises:
        TypeError: if a setting is none of what JSON holds: a class or a function, say.
    """
    try:
        return json.dumps(dataclasses.asdict(config), indent=2) + "\n"
    except TypeError as error:
        raise TypeError(
            f"a {type(config).__name__} cannot be written as JSON ({error}), which holds numbers, "
            "texts, lists and configurations of these"
        ) from error


def from_dict(config_class: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Build ``config_class`` from a mapping, for example from parsed JSON.

    JSON knows no tuples: lists become tuples again, so that a configuration survives the round
    trip unchanged and stays hashable.

    Raises:
        ValueError: if a key is unknown to the dataclass, since a misspelt setting is never ignored,
            or one without a default is missing.
    """
    if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
        raise TypeError(f"expected a dataclass, got {config_class!r}")
    fields = dataclasses.fields(config_class)
    known = {field.name for field in fields}
    if unknown := set(values) - known:
        raise ValueError(
            f"{config_class.__name__} has no setting {', '.join(sorted(unknown))}; "
            f"it has {', '.join(sorted(known))}"
        )
    optional = (dataclasses.MISSING, dataclasses.MISSING)
    needed = {field.name for field in fields if (field.default, field.default_factory) == optional}
    if missing := needed - set(values):
        raise ValueError(
            f"{config_class.__name__} needs a value for {', '.join(sorted(missing))}, "
            f"got values for {', '.join(sorted(values)) or 'nothing'}"
        )
    return config_class(
        **{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    )


def from_json(config_class: type[ConfigT], text: str) -> ConfigT:
    """Read what :func:`to_json` wrote; see :func:`from_dict`.

    Raises:
        ValueError: if the text is no JSON object, names a setting twice, or does not fit the
            dataclass.
    """
    return from_dict(config_class, parse_json(text, f"the text of a {config_class.__name__}"))
