"""What holds for a while: evaluation mode, frozen weights, another device, gradients, a seed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from weakref import WeakKeyDictionary

import torch
from torch import nn

# Of each module that is being evaluated: by how many at this moment, and the mode to return to.
_evaluated: WeakKeyDictionary[nn.Module, tuple[int, bool]] = WeakKeyDictionary()
_lock = threading.Lock()

default_generators = threading.RLock()
"""Held by whoever lends torch's own generators another seed, until they are as they were."""


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch a model to evaluation, and every submodule back to its own mode afterwards.

    A part that was in evaluation mode inside a model in training, such as the frozen body under a
    new head, stays so: ``model.train()`` would wake it.

    Several threads may evaluate one model, and evaluations may be nested: the last to end switches
    back. Otherwise the first to end would switch the others to training in the midst of their
    work, and batch normalisation would take their samples into its statistics. What was switched
    to training in the meantime is in training again after this evaluation: a stream that nobody
    goes on with is open for as long as it is referred to, and must not put a training to sleep.
    """
    modules = list(model.modules())
    with _lock:
        woken = [module for module in modules if module.training and module in _evaluated]
        for module in modules:
            n_others, was_training = _evaluated.get(module, (0, module.training))
            _evaluated[module] = (n_others + 1, was_training)
        model.eval()
    try:
        yield
    finally:
        with _lock:
            for module in modules:
                # An open stream that is thrown away together with its model finds nothing here.
                n, was_training = _evaluated.pop(module, (1, module.training))
                if n > 1:
                    _evaluated[module] = (n - 1, was_training)
                else:
                    module.training = was_training
            for module in woken:
                module.training = True


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Switch off the gradients of a model's parameters, and those that had them on again after it.

    Gradients still flow through the model to its input. A parameter that was frozen before stays
    frozen.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def devices_restored(*models: nn.Module) -> Iterator[None]:
    """Bring models back to the devices of their parameters afterwards, whatever happens."""
    devices = {model: p.device for model in models for p in islice(model.parameters(), 1)}
    try:
        yield
    finally:
        for model, device in devices.items():
            model.to(device)


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Let a model that is built here have the weights of a seed, drawn on the CPU.

    Torch's own generators are afterwards as they were. With ``torch.set_default_device`` on a GPU,
    weights would be drawn there, from a generator that nobody has seeded. Torch has one generator
    for all threads: while one builds, the others wait. Within ``torch.inference_mode`` too the
    weights can be trained.
    """
    with (
        default_generators,
        gradients_on(),
        torch.random.fork_rng(devices=[]),
        torch.device("cpu"),
    ):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def gradients_on() -> Iterator[None]:
    """Differentiate, within a caller's ``torch.no_grad`` or ``torch.inference_mode`` too."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def gradients_off() -> Iterator[None]:
    """Compute without gradients, and what may be changed later, though begun in inference mode.

    Tensors that ``torch.inference_mode`` makes cannot be changed in place outside of it.
    """
    with torch.inference_mode(False), torch.no_grad():
        yield
