"""Checkpoints without pickle: one file, tensors as safetensors, all else as JSON in one of them.

A state is a tree of dictionaries, lists and tuples whose leaves are tensors, numbers, texts,
booleans or None: what ``state_dict()`` of modules and optimizers returns. It comes back exactly as
it was: integer keys, tuples, and the strides of tensors. Reading a stranger's checkpoint runs none
of the stranger's code.

The file is replaced in one step, so that a process killed at any moment leaves the old checkpoint
or the new one, and damage is noticed when it is read. Each tensor is named by its content, so that
equal ones are stored once: an average that was just copied, or the weights of many processes.
"""

import contextlib
import dataclasses
import dis
import functools
import hashlib
import inspect
import json
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from aigc_tutorial.files import expand, require_place_of_file, writable_folder
from aigc_tutorial.tensors import (
    content_hash,
    is_dense,
    is_finite,
    is_storable,
    load_tensors,
    save_tensors,
)

CHECKPOINT_FILE = "checkpoint.safetensors"
"""Name of the checkpoint in its folder; whatever else lies there is left alone."""

FIRST_LOSSES, FIRST_MOVES = "first losses", "first moves of the weights"
_INITIAL_WEIGHTS = "initial weights (build the models anew, from the same seed, before resuming)"
# Settings that are numbers of a computation, and by what share of their size they may differ: the
# last bits are others on another machine.
_TOLERANCES = {_INITIAL_WEIGHTS: 1e-4, FIRST_LOSSES: 2e-3}
# By what share moves may differ, as _difference_of_moves counts. Measured: 0.06 for other kernels
# and numbers of threads, 0.3 where a GPU rounds the factors of products to ten bits; 0.4 and more
# for another slope of a rectifier.
_MOST_OF_MOVES = 0.35
_N_SUMS = 32  # the distance of two moves is known by them but for a tenth

_SHORTEST_TEXT = 256  # shorter ones are names and paths, no data
_FEWEST_NUMBERS = 32  # a list of fewer whole numbers is a setting, as a number by itself is

# Methods of lists and dictionaries that put something in, or take it out.
_COLLECTING = {"append", "clear", "extend", "insert", "pop", "setdefault", "update"}
_DEEPEST_DATA = 5

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LOCK_FILE = "checkpoint.lock"
_GOLDEN_ANGLE = 2.399963229728653  # its multiples never repeat
_FORMATS = "aigc_tutorial checkpoint "
_FORMAT = f"{_FORMATS}3"  # counted up whenever runs record something else
_TREE = "tree"
_OLD_FORMAT = "tree.json"


def checkpoint_path(folder: str | Path) -> Path:
    """Where the checkpoint of a folder is; ``~`` and links are followed."""
    return (expand(folder) / CHECKPOINT_FILE).resolve()


@dataclass(frozen=True)
class EncodedState:
    """A state taken apart, which may stand in another state in place of what it was made of.

    Attributes:
        tree: the state in JSON's types, with names where the tensors were.
        tensors: copies of them on the CPU, each named by a hash of its content.
    """

    tree: Any
    tensors: dict[str, Tensor]


def encode_state(state: Any) -> EncodedState:
    """Take a state apart.

    Raises:
        TypeError: if a leaf is neither tensor, number, text, boolean nor None.
    """
    tensors: dict[str, Tensor] = {}
    return EncodedState(_encode(state, tensors, ""), tensors)


def decode_state(state: EncodedState) -> Any:
    """Put a state together again, of tensors of its own."""
    return _decode(state.tree, state.tensors)


def save_checkpoint(folder: str | Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` into the checkpoint of ``folder``, whole or not at all.

    Raises:
        TypeError: if a leaf is neither tensor, number, text, boolean nor None.
        OSError: if the folder cannot be written.
    """
    encoded = encode_state(dict(state))
    # As a tensor, since texts may not be as long as the history of a long run.
    tree = torch.frombuffer(bytearray(json.dumps(encoded.tree).encode()), dtype=torch.uint8)
    save_tensors(checkpoint_path(folder), {**encoded.tensors, _TREE: tree}, {"format": _FORMAT})


def load_checkpoint(folder: str | Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, tensors on the CPU and the file closed again.

    Raises:
        FileNotFoundError: if there is no checkpoint in ``folder``.
        ValueError: if it is damaged, or was written by an older version of this package.
    """
    path = checkpoint_path(folder)
    _refuse_old_format(path.parent)
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no checkpoint: {path.name} is missing")
    tensors, texts = load_tensors(path)
    if (found := texts.get("format")) != _FORMAT:
        reason = f"it does not say that its format is {_FORMAT!r}. Move it away"
        if str(found).startswith(_FORMATS):
            reason = (
                f"its format is {found!r}, and this version has {_FORMAT!r}. End that run with the "
                "version that began it"
            )
        raise ValueError(
            f"{path} is no checkpoint that this version of the package can read: {reason}, or use "
            "another folder"
        )
    return _decode(json.loads(tensors.pop(_TREE).numpy().tobytes()), tensors)


@contextmanager
def checkpoint_folder_in_use(folder: str | Path) -> Iterator[None]:
    """Keep a folder for one run: make it, lock it, and remove what killed saves left in it.

    Raises:
        OSError: if the folder cannot be written, or the checkpoint is marked read-only.
        RuntimeError: if another process, or another run of this one, holds it.
        ValueError: if it holds a checkpoint of an older version of this package.
    """
    path = checkpoint_path(folder)
    require_place_of_file(path)
    writable_folder(path.parent)
    lock = FileLock(path.with_name(_LOCK_FILE), timeout=0, is_singleton=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RuntimeError(
            f"another run writes its checkpoints into {path.parent}: wait for its end, or give "
            "this one a folder of its own"
        ) from error
    try:
        _refuse_old_format(path.parent)
        yield
    finally:
        lock.release()


def check_settings(saved: Mapping[str, Any], wanted: Mapping[str, Any], *, what: str) -> None:
    """Raise a ValueError that names the first setting in which two runs differ.

    Args:
        saved: settings of the run that was saved.
        wanted: settings of the run that is to continue it.
        what: names the saved state in the error.
    """
    for name in dict.fromkeys([*wanted, *saved]):
        before, now = (side.get(name, "not set") for side in (saved, wanted))
        if name.startswith(FIRST_MOVES):
            share = _difference_of_moves(before, now)
            is_same = share <= _MOST_OF_MOVES
            difference = f"differ by {share:.0%}" if share < math.inf else "are of other tensors"
        else:
            is_same = _agree(name, before, now)
            difference = f"is {before!r}, and {now!r} is wanted"
        if not is_same:
            raise ValueError(
                f"{what} belongs to another run: its {name} {difference}. {_advice(name)}"
            )


def settings_of(prefix: str, config: Any) -> dict[str, Any]:
    """The fields of a configuration as settings, each named ``prefix.field``.

    Values that no checkpoint can hold are written as text.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return {}
    settings = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        try:
            encode_state(value)
        except TypeError:
            value = written(value)
        settings[f"{prefix}.{field.name}"] = value
    return settings


def written(value: Any, name: Callable[[Any], str] | None = None) -> str:
    """A text that is the same for one value in every process, and another one for other data.

    It is ``repr``, but for what that tells by its place in the memory of one process, and for the
    middle of a long array, which it leaves out.

    Args:
        value: anything.
        name: what to call a function or an object; by default :func:`name_of`.
    """
    text = repr(value)
    if _ADDRESS.search(text):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            own = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
            inner = ", ".join(f"{key}={written(part, name)}" for key, part in own)
            return f"{type(value).__qualname__}({inner})"
        if isinstance(value, list | tuple):
            return f"{type(value).__name__}({', '.join(written(part, name) for part in value)})"
        text = _ADDRESS.sub("", text)
        with contextlib.suppress(AttributeError):  # an object of C's, of which no more is known
            text = (name or name_of)(value)
    data = _as_data(value)
    return text if data is None else f"{text} ({_bound({'data': data})})"


def settings_of_model(name: str, model: nn.Module) -> dict[str, Any]:
    """What tells a model from others of any weights: class, configuration, types, what is frozen.

    Args:
        name: of the model, the beginning of each setting's.
        model: its ``config`` counts if it has one.
    """
    parameters = dict(model.named_parameters())
    return {
        f"{name}'s class": name_of(type(model)),
        **settings_of(name, getattr(model, "config", None)),
        f"{name}'s frozen parameters": [n for n, p in parameters.items() if not p.requires_grad],
        f"{name}'s types": sorted({str(tensor.dtype) for tensor in model.state_dict().values()}),
    }


def settings_of_weights(name: str, model: nn.Module) -> dict[str, Any]:
    """Two numbers for each tensor of a model, by which other weights are told apart.

    Each is ten times the tensor's length plus its product with random numbers. No hash: the same
    seed gives weights whose last bits differ from machine to machine.
    """
    settings: dict[str, Any] = {}
    for key, tensor in model.state_dict().items():
        values = _as_doubles(tensor).reshape(-1)
        # Infinities of a mask are equal on both sides, and their products would be NaN.
        values = values.nan_to_num(posinf=1.0, neginf=-1.0)
        rng, length = torch.Generator().manual_seed(len(values)), 10 * values.norm()
        draws = (torch.randn(values.shape, generator=rng, device=rng.device) for _ in range(2))
        settings[f"{_INITIAL_WEIGHTS}: {name}.{key}"] = [
            float(length + draw.double() @ values) for draw in draws
        ]
    return settings


def settings_of_first_step(losses: Mapping[str, float], before: Any, after: Any) -> dict[str, Any]:
    """What a step on the first batch measures, and how it moves each tensor of a state.

    Names and configurations do not tell all that a run does: the code of a class that a reader
    edits, the numbers bound in a function, a layer that was exchanged. What these do tells it.

    Args:
        losses: what the step returned.
        before: the state before it.
        after: the state after it; of each tensor its number of entries is kept, and some sums of
            its move, the tensors of one dictionary together.
    """
    settings: dict[str, Any] = {f"{FIRST_LOSSES}: {name}": [v] for name, v in losses.items()}
    old = dict(_tensors_of(before))
    for path, new in _tensors_of(after):
        if path in old and old[path].shape == new.shape and new.is_floating_point():
            part, _, name = path.rpartition("/")
            moves = settings.setdefault(f"{FIRST_MOVES}: {part or 'all'}", {})
            moves[name] = [new.numel(), *_sums_of(_as_doubles(new) - _as_doubles(old[path]))]
    return settings


def _sums_of(move: Tensor) -> list[float]:
    """Sums of the entries times fixed waves; two moves are as far apart as these are, about."""
    move = move.reshape(-1).nan_to_num()
    numbers = torch.arange(1, len(move) + 1, dtype=torch.float64, device="cpu")
    products = 2**0.5 * numbers.mul_(_GOLDEN_ANGLE).sin_() * move
    sums: list[float] = (
        nn.functional.pad(products, (0, -len(move) % _N_SUMS)).view(-1, _N_SUMS).sum(0).tolist()
    )
    return sums


def _as_doubles(tensor: Tensor) -> Tensor:
    """On the CPU first: an Apple GPU has no float64, nor converts to it on the way."""
    return tensor.detach().cpu().double()


def name_of(thing: Any) -> str:
    """Module and name of a class or function, or of the class of anything else.

    What has no name of its own, such as a lambda, or one that the reader may have changed, since it
    stands in a notebook or script, is told by a hash of its text too, where that can be had; a
    function with bound arguments and an object by what is bound to them, and a function by the data
    that it takes from around it, as a validation does its held-out text. What an object collects,
    in lists and dictionaries, does not count, nor what a function puts something into.
    """
    if isinstance(thing, functools.partial):
        bound = {"arguments": list(thing.args), **thing.keywords}
        return f"{name_of(thing.func)} with {_bound(bound)}"
    bound = _data_around(thing, thing.__module__, set()) if hasattr(thing, "__qualname__") else {}
    if not hasattr(thing, "__qualname__"):
        own, thing = getattr(thing, "__dict__", {}), type(thing)
        bound = {name: x for name, x in own.items() if not isinstance(x, list | dict | set)}
        bound |= _data_around(thing.__dict__.get("__call__"), thing.__module__, set())
    name = f"{thing.__module__}.{thing.__qualname__}"
    if thing.__module__ == "__main__" or "<" in name:
        with contextlib.suppress(OSError, TypeError):
            text = inspect.getsource(thing)
            name += f" ({hashlib.sha256(text.encode()).hexdigest()[:12]})"
    return f"{name} with {_bound(bound)}" if bound else name


def _data_around(function: Any, module: str, seen: set[Any]) -> dict[str, Any]:
    """Data that a function reads of its object, its defaults, the function around it and globals.

    Functions of the same module that it reads are followed. Lists and dictionaries count too, but
    those that are an object's or that the function puts something into: these it collects.
    """
    owner, function = getattr(function, "__self__", None), getattr(function, "__func__", function)
    if not inspect.isfunction(function) or function in seen:
        return {}
    seen.add(function)
    own = {} if isinstance(owner, type) else getattr(owner, "__dict__", {})
    read: dict[str, Any] = {n: x for n, x in own.items() if not isinstance(x, list | dict)}
    names, around = _globals_read(function.__code__), function.__globals__
    read |= {name: around[name] for name in names if name in around}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # an empty cell
            read[name] = cell.cell_contents
    parameters = inspect.signature(function).parameters.items()
    read |= {name: p.default for name, p in parameters if p.default is not p.empty}
    found: dict[str, Any] = {}
    collected = _collected(function.__code__)
    for name, value in sorted(read.items()):
        if isinstance(value, list | dict) and name in collected:
            continue
        if inspect.isroutine(value) and getattr(value, "__module__", None) == module:
            found |= _data_around(value, module, seen)
        elif (data := _as_data(value)) is not None:
            found[name] = data
    return found


def _globals_read(code: types.CodeType) -> set[str]:
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return names.union(*map(_globals_read, inner))


def _collected(code: types.CodeType) -> set[str]:
    """Names of what a function puts something into: ``losses.append(…)``, ``seen[n] = …``."""
    steps, found = list(dis.get_instructions(code)), set[Any]()
    for i, step in enumerate(steps):
        loads: list[dis.Instruction] = []
        if step.opname in ("STORE_GLOBAL", "STORE_DEREF"):
            loads = [step]
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in _COLLECTING:
            loads = steps[i - 1 : i]
        elif step.opname == "STORE_SUBSCR":
            # On the stack lies the key, below it what has it: that was put there as the second.
            # Where it is read first, seen[n] += 1, both are copied; then they lie below the copies.
            end = i
            if steps[i - 1].opname == "SWAP":
                copies = [("COPY", 2)] * 2
                places = range(i - 1, 1, -1)
                pairs = ([(s.opname, s.arg) for s in steps[j - 1 : j + 1]] for j in places)
                end = next((j - 1 for j, p in zip(places, pairs, strict=True) if p == copies), i)
            n_on_stack, before = 0, iter(reversed(steps[:end]))
            while n_on_stack < 2:
                loads = [next(before)]
                n_on_stack += dis.stack_effect(loads[0].opcode, loads[0].arg)
        for load in loads:
            found.update(load.argval if isinstance(load.argval, tuple) else (load.argval,))
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return {x for x in found if isinstance(x, str)}.union(*map(_collected, inner))


def _as_data(value: Any, depth: int = 0) -> Any:
    """A tensor, an array, long texts, whole numbers, or what is made of such; else None.

    Made of such are tuples, lists, dictionaries, dataclasses, and data sets of torch with their
    loaders, as deep as readers nest them.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.require(value, value.dtype.newbyteorder("="), ["C", "W"]))
    if isinstance(value, Tensor) or (isinstance(value, str) and len(value) >= _SHORTEST_TEXT):
        return value
    if isinstance(value, DataLoader):
        value = value.dataset
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = tuple(getattr(value, field.name) for field in dataclasses.fields(value))
    elif isinstance(value, Dataset):  # but not what it keeps in dictionaries, to have it again
        value = tuple(x for x in vars(value).values() if not isinstance(x, dict))
    elif isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple) or depth > _DEEPEST_DATA:
        return None
    kinds = {type(part) for part in value}
    if kinds == {str}:
        return _as_data("\n".join(value))
    if kinds == {int} and isinstance(value, list):
        if depth == 0 and len(value) < _FEWEST_NUMBERS:
            return None
        with contextlib.suppress(RuntimeError, OverflowError):
            return torch.tensor(value, dtype=torch.int64, device="cpu")
    parts = [_as_data(part, depth + 1) for part in value]
    return parts if any(part is not None for part in parts) else None


def _bound(values: Mapping[str, Any]) -> str:
    """Values by name, in short: what no checkpoint can hold by its type alone."""
    told = {}
    for name, value in values.items():
        try:
            tree = encode_state(value).tree
        except TypeError:
            data = _as_data(value)
            tree = type(value).__qualname__ if data is None else encode_state(data).tree
        told[name] = tree
    text = json.dumps(told)
    return text if len(text) < 80 else hashlib.sha256(text.encode()).hexdigest()[:12]


def first_non_finite(state: Any) -> str | None:
    """Path of the first tensor in a state that holds a NaN or an infinite number, if any."""
    return next((path for path, tensor in _tensors_of(state) if not is_finite(tensor)), None)


def _tensors_of(state: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors of a state, each with its path."""
    if isinstance(state, Tensor):
        yield path[1:], state
    elif isinstance(state, Mapping):
        for key, value in state.items():
            yield from _tensors_of(value, f"{path}/{key}")
    elif isinstance(state, list | tuple):
        for i, value in enumerate(state):
            yield from _tensors_of(value, f"{path}/{i}")


def _agree(name: str, before: Any, now: Any) -> bool:
    """Whether two settings are the same, numbers of a computation up to rounding."""
    kind = name.partition(":")[0]
    if kind not in _TOLERANCES or not isinstance(before, list) or not isinstance(now, list):
        sides = encode_state(before), encode_state(now)
        if any(side.tensors for side in sides):  # which == compares number by number
            return bool(sides[0].tree == sides[1].tree)
        return bool(before == now)
    size = max(map(abs, [*before, *now]), default=0.0)
    bound = _TOLERANCES[kind] * (max(1.0, size) if kind == FIRST_LOSSES else size) + 1e-12
    pairs = zip(before, now, strict=True)
    return len(before) == len(now) and all(abs(a - b) <= bound or a is b for a, b in pairs)


def _difference_of_moves(before: Any, now: Any) -> float:
    """By what share two first steps differ: 0 if not at all, about 1.4 where they are unlike.

    A gradient that is zero but for rounding, as that of a bias before a batch norm is, has its sign
    by chance, and Adam makes a whole step of it. So tensors count by their numbers of entries, and
    the few of such a bias do not matter. Each is measured by its own move, since the codes of a
    quantiser go farther in a step than weights do. One that stands still on both sides tells
    nothing.
    """
    if not isinstance(before, dict) or not isinstance(now, dict) or before.keys() != now.keys():
        return math.inf
    n_moved, different = 0, 0.0
    for name, (n, *sums) in before.items():
        n_now, *sums_now = now[name]
        if n != n_now:
            return math.inf
        if size := max(math.hypot(*sums), math.hypot(*sums_now)):
            n_moved += n
            different += n * (math.dist(sums, sums_now) / size) ** 2
    return math.sqrt(different / n_moved) if n_moved else 0.0


def _advice(name: str) -> str:
    if name.startswith((FIRST_LOSSES, FIRST_MOVES)):
        return (
            "All that has a name is the same, so it is in what the first step does: the code of a "
            "model or a loss, a number bound in it, a layer that was exchanged or put into "
            "evaluation mode. Use another folder"
        )
    return "Ask for the same, or use another folder"


def _refuse_old_format(folder: Path) -> None:
    if (folder / _OLD_FORMAT).is_file() and not (folder / CHECKPOINT_FILE).is_file():
        raise ValueError(
            f"{folder} holds a checkpoint of an older version of this package ({_OLD_FORMAT}), "
            "which this one cannot continue: end that run with the older version, or use another "
            "folder"
        )


def _encode(value: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """Turn ``value`` into JSON, moving its tensors into ``tensors`` under their hashes."""
    if isinstance(value, EncodedState):
        tensors |= value.tensors
        return value.tree
    if isinstance(value, Tensor) and value.layout == torch.strided and is_storable(value.dtype):
        value = value.detach()
        strides = value.stride()
        # What is dense is the same in another order; a view into something larger is packed.
        # A copy, since the caller goes on training, and safetensors refuses shared memory.
        content = value.to("cpu", copy=True, memory_format=torch.contiguous_format)
        tensors[name := content_hash(content)] = content
        return {"tensor": [name, list(strides) if is_dense(value) else None]}
    if isinstance(value, dict):
        items = [
            [_encode(key, tensors, path), _encode(item, tensors, f"{path}/{key}")]
            for key, item in value.items()
        ]
        return {"dict": items}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, tensors, f"{path}/{i}") for i, item in enumerate(value)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"a checkpoint cannot hold the {type(value).__name__} {_kind(value)}at {path!r}; it holds "
        "dense tensors, numbers, texts, booleans, None, and dictionaries, lists and tuples of them"
    )


def _kind(value: Any) -> str:
    """What sets a tensor that cannot be stored apart from those that can."""
    return f"({value.dtype}, {value.layout}) " if isinstance(value, Tensor) else ""


def _decode(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        name, strides = content
        stored = tensors[name]
        if strides is None:
            return stored.clone()
        return stored.new_empty_strided(stored.shape, strides).copy_(stored)
    if kind == "dict":
        return {_decode(key, tensors): _decode(value, tensors) for key, value in content}
    decoded = [_decode(value, tensors) for value in content]
    return tuple(decoded) if kind == "tuple" else decoded
