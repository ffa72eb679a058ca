"""What a search may change: ranges of settings, by the names that they have in a configuration."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, TypeVar

from aigc_tutorial.config import Config
from aigc_tutorial.environment import require

ConfigT = TypeVar("ConfigT")

_MOST_COMPANIES = 1_000
"""So many values of the other settings are tried beside one that does not fit those of before."""


class Parameter(Config, ABC):
    """What a setting may be: one of the ranges below."""

    @property
    @abstractmethod
    def ends(self) -> tuple[Any, ...]:
        """Values that the setting must be able to have for the whole range to fit it."""

    @abstractmethod
    def distribution(self) -> Any:
        """The range in Optuna's words."""


class _Interval(Parameter):
    """A range from ``low`` to ``high``."""

    low: float
    high: float

    @property
    def ends(self) -> tuple[Any, ...]:
        """The smallest and the largest value, and one between that is no whole number."""
        return self.low, self.high, self.low + (self.high - self.low) / math.pi


@dataclass(frozen=True)
class Uniform(_Interval):
    """A number anywhere between two others, each place equally probable.

    Attributes:
        low: the smallest.
        high: the largest.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        self.require("high", above=self.low)

    def distribution(self) -> Any:
        """The range in Optuna's words."""
        return _distributions().FloatDistribution(self.low, self.high)


@dataclass(frozen=True)
class LogUniform(_Interval):
    """A number whose logarithm is equally probable anywhere: a learning rate, mostly.

    Attributes:
        low: the smallest, above 0.
        high: the largest.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        self.require("low", above=0)
        self.require("high", above=self.low)

    def distribution(self) -> Any:
        """The range in Optuna's words."""
        return _distributions().FloatDistribution(self.low, self.high, log=True)


@dataclass(frozen=True)
class Integers(_Interval):
    """A whole number between two others, both included.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether its logarithm is what is spread evenly; ``low`` is then 1 or more.
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        """Check the range."""
        super().__post_init__()
        self.require("high", above=self.low)
        if self.log:
            self.require("low", at_least=1)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The smallest and the largest value."""
        return self.low, self.high

    def distribution(self) -> Any:
        """The range in Optuna's words."""
        return _distributions().IntDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice(Parameter):
    """One of several values that have no order: numbers, texts, truth values or None.

    Attributes:
        options: two or more, each once.
    """

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        kinds = (type(None), bool, int, float, str)
        if wrong := [option for option in self.options if type(option) not in kinds]:
            raise TypeError(
                f"options must be numbers, texts, truth values or None, got {wrong[0]!r}"
            )
        if len(set(self.options)) != len(self.options) or len(self.options) < 2:
            raise ValueError(
                f"options must be two or more, and each of them once, got {self.options}"
            )

    @property
    def ends(self) -> tuple[Any, ...]:
        """All options."""
        return self.options

    def distribution(self) -> Any:
        """The options in Optuna's words."""
        return _distributions().CategoricalDistribution(self.options)


Space = Mapping[str, Parameter]
"""Which settings may be what, by names such as ``"training.batch_size"``."""


def with_settings(config: ConfigT, settings: Mapping[str, Any]) -> ConfigT:
    """A configuration in which some settings are others; the given one stays as it is.

    >>> from aigc_tutorial import adaptation
    >>> from aigc_tutorial.ar.recipes import SHAKESPEARE
    >>> recipe = adaptation.with_settings(SHAKESPEARE, {"training.batch_size": 24})
    >>> recipe.training.batch_size
    24

    Args:
        config: a dataclass, which may hold further ones.
        settings: new values by name; of a configuration within another, with a dot between.

    Raises:
        ValueError: if there is no setting of such a name, or one does not take its value.
        TypeError: if config is no dataclass, or a value is of another type.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"expected a configuration, which is a dataclass, got {config!r}")
    return _replaced(config, settings, "")  # type: ignore[no-any-return]


def _replaced(config: Any, settings: Mapping[str, Any], path: str) -> Any:
    """All settings of one configuration at once: each alone may not fit the others of before."""
    known = (
        [field.name for field in dataclasses.fields(config)]
        if dataclasses.is_dataclass(config)
        else []
    )
    changed: dict[str, Any] = {}
    within: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        first, _, rest = name.partition(".")
        if first not in known:
            raise ValueError(
                f"there is no setting {path}{name}: a {type(config).__name__} has "
                f"{', '.join(known) or 'no settings'}"
            )
        if rest:
            within.setdefault(first, {})[rest] = value
        else:
            changed[first] = value
    for first, inner in within.items():
        before = changed.get(first, getattr(config, first))
        changed[first] = _replaced(before, inner, f"{path}{first}.")
    return dataclasses.replace(config, **changed)


def check_space(config: Any, space: Mapping[str, Any]) -> None:
    """Refuse a space before a search, not in the midst of it.

    A value must be possible beside some values of the other settings; a trial whose values do not
    fit each other has failed, no more.

    Raises:
        ValueError: if it is empty, names no settings of the configuration, or reaches where these
            do not.
        TypeError: if a range is none.
    """
    if not space:
        raise ValueError(
            'there is nothing to search: give settings and their ranges, such as {"learning_rate": '
            "LogUniform(1e-4, 1e-2)}"
        )
    for name, parameter in space.items():
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"the range of {name} must be a Uniform, LogUniform, Integers or Choice, got "
                f"{parameter!r}"
            )
    for name, parameter in space.items():
        others = [[(n, end) for end in p.ends] for n, p in space.items() if n != name]
        for end in parameter.ends:
            # It has to fit the other settings as they are, or as the space lets them be.
            error: Exception | None = None
            for company in [(), *islice(product(*others), _MOST_COMPANIES)]:
                try:
                    with_settings(config, {name: end, **dict(company)})
                    break
                except (TypeError, ValueError) as refused:
                    error = error or refused
            else:
                assert error is not None
                raise type(error)(
                    f"the space lets {name} be {end!r}, which fails: {error}"
                ) from error


def _distributions() -> Any:
    return require("optuna.distributions", extra="search")
