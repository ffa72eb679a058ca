"""Frozen dataclasses as the only configuration: to JSON and back, strictly."""

import dataclasses
import json
from typing import Any, TypeVar

ConfigT = TypeVar("ConfigT")


def to_json(config: Any) -> str:
    """Write a configuration dataclass as indented JSON text."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_dict(config_class: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Build ``config_class`` from a mapping, for example from parsed JSON.

    JSON knows no tuples: lists become tuples again, so that a configuration survives the round
    trip unchanged and stays hashable.

    Raises:
        ValueError: if a key is unknown to the dataclass; a misspelt setting is never ignored.
    """
    if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
        raise TypeError(f"expected a dataclass, got {config_class!r}")
    known = {field.name for field in dataclasses.fields(config_class)}
    if unknown := set(values) - known:
        raise ValueError(
            f"{config_class.__name__} has no setting {', '.join(sorted(unknown))}; "
            f"it has {', '.join(sorted(known))}"
        )
    return config_class(
        **{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    )


def from_json(config_class: type[ConfigT], text: str) -> ConfigT:
    """Read what :func:`to_json` wrote; see :func:`from_dict`."""
    return from_dict(config_class, json.loads(text))
