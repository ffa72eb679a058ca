"""Every configuration of the package checks each of its settings, and takes what is safe."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import types
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import aigc_tutorial
from aigc_tutorial import ar, gan
from aigc_tutorial.ar.recipes import SHAKESPEARE
from aigc_tutorial.config import Config, from_dict, from_json, to_json
from aigc_tutorial.gan.recipes import MNIST_CONV
from aigc_tutorial.integers import as_int64


def classes_of_the_package() -> list[type]:
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(aigc_tutorial.__path__, "aigc_tutorial."):
        if not module.name.endswith("__main__"):
            members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            found |= {f"{c.__module__}.{n}": c for n, c in members}
    return [c for name, c in sorted(found.items()) if name.startswith("aigc_tutorial.")]


CLASSES = classes_of_the_package()


def needed(config_class: Any) -> set[str]:
    """Settings without a default."""
    return {f.name for f in dataclasses.fields(config_class) if f.default is dataclasses.MISSING}


# Their own tests try these: ranges and options of a search, recipes, shares that sum to 1, and what
# is read from files.
OTHERS = {
    "Burst", "Choice", "HyperbandPruning", "Integers", "LogUniform", "MixtureGeneratorConfig",
    "Uniform", "Recipe",
    "GraphCard", "Manifest", "Port", "SearchOptions", "_Description",
}  # fmt: skip
DATACLASSES: list[Any] = [
    c for c in CLASSES if issubclass(c, Config) and "__dataclass_fields__" in vars(c)
]
CONFIGS = [c for c in DATACLASSES if needed(c) <= {"vocab_size"}]


def default(config_class: Any) -> Any:
    return config_class(**dict.fromkeys(needed(config_class), 7))


def hint_of(config_class: Any, name: str) -> tuple[Any, bool]:
    """A setting's type, and whether it may be None."""
    (hint,) = (field.type for field in dataclasses.fields(config_class) if field.name == name)
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (option for option in get_args(hint) if option is not type(None))
        return inner, True
    return hint, False


SETTINGS = [(c, field.name) for c in CONFIGS for field in dataclasses.fields(c)]


def wrong_values(config_class: Any, name: str) -> list[Any]:
    hint, may_be_none = hint_of(config_class, name)
    wrong: list[Any] = [object()] if may_be_none else [object(), None]
    if hint in (int, float):
        wrong += [-1, -1.5, True, "3", [1], float("nan"), float("inf"), -float("inf"), 1j]
        wrong += [np.int64(-1), np.bool_(True)] + ([0.5] if hint is int else [])
    elif hint == tuple[str, ...]:
        wrong += ["3", 3, (3,), ("mnist-conv-gan", None)]
    elif get_origin(hint) is tuple:
        good = getattr(default(config_class), name)
        wrong += ["3", 3, (), tuple(-value for value in good), (*good[:-1], "3")]
        wrong += [] if get_args(hint)[-1] is Ellipsis else [(*good, good[-1]), good[:-1]]
        may_be_empty = name == "hidden" or good == ()
        wrong = [value for value in wrong if not (may_be_empty and value == ())]
    elif get_origin(hint) is Literal:
        wrong += ["AdamW", "", 1, getattr(default(config_class), name).upper()]
    elif hint is bool:
        wrong += ["yes", 1, 0]
    return wrong


def test_every_configuration_is_checked():
    named = [c for c in CLASSES if c.__name__.endswith(("Config", "Recipe"))]
    assert len(named) > 15
    assert all(issubclass(c, Config) for c in named)
    assert {c.__name__ for c in DATACLASSES} - {c.__name__ for c in CONFIGS} == OTHERS


@pytest.mark.parametrize(("config_class", "name"), SETTINGS)
def test_a_wrong_setting_is_an_error_that_names_it(config_class, name):
    good = default(config_class)
    for value in wrong_values(config_class, name):
        with pytest.raises((TypeError, ValueError), match=name):
            dataclasses.replace(good, **{name: value})


@pytest.mark.parametrize("config_class", CONFIGS)
def test_numpy_numbers_and_lists_are_taken(config_class):
    good = default(config_class)

    def as_numpy(value: Any) -> Any:
        if isinstance(value, tuple):
            return [as_numpy(part) for part in value]
        for kind, scalar in ((bool, np.bool_), (int, np.int32), (float, np.float64)):
            if type(value) is kind:
                return scalar(value)
        return value

    settings = {f.name: as_numpy(getattr(good, f.name)) for f in dataclasses.fields(good)}
    taken = config_class(**settings)
    assert taken == good
    assert hash(taken) == hash(good)
    assert to_json(taken) == to_json(good)
    assert from_json(config_class, to_json(taken)) == good


@given(st.sampled_from([s for s in SETTINGS if hint_of(*s)[0] in (int, float)]), st.data())
def test_a_number_is_kept_as_it_is_or_refused(setting, data):
    config_class, name = setting
    value = data.draw(st.integers(-3, 70_000) | st.floats() | st.floats(width=32).map(np.float32))
    try:
        taken = dataclasses.replace(default(config_class), **{name: value})
    except (TypeError, ValueError):
        return
    kept = getattr(taken, name)
    assert kept == value
    assert kept >= 0
    assert type(kept) in (int, float)
    assert type(kept) is int or hint_of(config_class, name)[0] is float
    assert from_json(config_class, to_json(taken)) == taken


def test_an_optimizer_by_another_name_is_refused_with_the_allowed_ones():
    wrong: Any = "AdamW"
    with pytest.raises(ValueError, match=r"optimizer must be one of 'muon', 'adamw', got 'AdamW'"):
        ar.ARTrainingConfig(optimizer=wrong)


def test_whole_numbers_written_as_floats_and_zeros_written_as_ints_are_taken():
    many: Any = 1e6
    assert json.loads(to_json(ar.ARTrainingConfig(n_tokens=many)))["n_tokens"] == 1_000_000
    assert gan.GANTrainingConfig(betas=(0, 0.99)) == gan.GANTrainingConfig(betas=(0.0, 0.99))
    with pytest.raises(ValueError, match="betas must be at least 0 and below 1"):
        gan.GANTrainingConfig(betas=(0, 1))


def test_a_file_goes_through_the_same_door():
    with pytest.raises(ValueError, match="window must be at least 1"):
        from_json(ar.WindowConfig, '{"vocab_size": 5, "window": 0}')
    with pytest.raises(ValueError, match="has no setting windows; it has embedding_dim"):
        from_dict(ar.WindowConfig, {"vocab_size": 5, "windows": 3})
    with pytest.raises(ValueError, match="WindowConfig needs a value for vocab_size"):
        from_dict(ar.WindowConfig, {"window": 3})
    with pytest.raises(ValueError, match="text of a WindowConfig is damaged: expected a JSON"):
        from_json(ar.WindowConfig, "[5]")


def test_a_recipe_takes_the_configurations_of_its_classes():
    with pytest.raises(TypeError, match="model_config must be a TransformerConfig"):
        dataclasses.replace(SHAKESPEARE, model_config=ar.WindowConfig(5))
    with pytest.raises(TypeError, match="generator_config must be a ConvGeneratorConfig"):
        dataclasses.replace(MNIST_CONV, generator_config=gan.MLPGeneratorConfig())
    wrong: dict[str, Any] = {"training": ar.ARTrainingConfig(), "model_class": ar.PixelCNN}
    with pytest.raises(TypeError, match="training must be a GANTrainingConfig"):
        dataclasses.replace(MNIST_CONV, training=wrong["training"])
    with pytest.raises(TypeError, match="model_class must be a class of AutoregressiveModels"):
        dataclasses.replace(SHAKESPEARE, model_class=wrong["model_class"])


def test_a_setting_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match=r"text of a MLPGeneratorConfig.* stands twice"):
        from_json(gan.MLPGeneratorConfig, '{"latent_dim": 3, "latent_dim": 4}')


def test_whole_numbers_that_int64_cannot_hold_are_refused():
    numbers = np.array([1, 2**63], dtype=np.uint64)
    assert as_int64(numbers[:1], "counts").tolist() == [1]
    with pytest.raises(ValueError, match=r"counts below 2\^63"):
        as_int64(numbers, "counts")


@pytest.mark.parametrize("kind", ["<i8", ">i4", ">u2", "u1", "i1"])
def test_whole_numbers_of_numpy_may_lie_in_memory_as_they_like(kind):
    """Reversed, of another byte order as in MNIST's own files, and not to be written to."""
    numbers = np.arange(6).astype(kind)
    for same in (numbers, numbers[::-1][::-1], np.frombuffer(numbers.tobytes(), kind)):
        assert torch.equal(as_int64(same, "labels"), torch.arange(6))
    assert as_int64(numbers[::-2], "labels").tolist() == [5, 3, 1]


def test_annotations_as_texts_are_read():
    """What ``from __future__ import annotations`` makes of them."""

    @dataclasses.dataclass(frozen=True)
    class Sizes(Config):
        width: "int" = 3
        shares: "tuple[float, ...] | None" = None

    assert Sizes(np.int64(4), [1, 2]) == Sizes(4, (1, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Sizes\.width must be a whole number, got '4'"):
        Sizes("4")  # type: ignore[arg-type]


@pytest.mark.parametrize("hint", [list[int], int | str, dict[str, int]])
def test_annotations_that_cannot_be_checked_are_named(hint):
    unknown: Any = dataclasses.make_dataclass(
        "Unknown", [("x", hint)], bases=(Config,), frozen=True
    )
    with pytest.raises(TypeError, match=r"Unknown\.x is annotated .*, which a Config cannot check"):
        unknown([1])


def test_what_json_does_not_hold_is_told():
    with pytest.raises(TypeError, match=r"a Recipe cannot be written as JSON"):
        to_json(MNIST_CONV)


def test_a_choice_may_be_among_numbers():
    @dataclasses.dataclass(frozen=True)
    class Choice(Config):
        n: Literal[1, 2] = 1
        sure: Literal[True, "perhaps"] = True

    assert to_json(Choice(np.arange(3)[2])) == to_json(Choice(2))
    assert Choice(2, "perhaps") == from_json(Choice, to_json(Choice(2, "perhaps")))
    for wrong in ({"n": 3}, {"n": True}, {"n": "1"}, {"sure": 1}, {"sure": False}):
        with pytest.raises(ValueError, match="must be one of"):
            from_dict(Choice, wrong)
