"""Devices, precision and several processes, so that a training step need not know of them."""

import atexit
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from aigc_tutorial.config import as_instance
from aigc_tutorial.nn.mode import default_generators
from aigc_tutorial.tensors import is_dense

ModuleT = TypeVar("ModuleT", bound=nn.Module)
ValueT = TypeVar("ValueT")

# Each halves the scale of the loss, which begins at 2**16: after so many it is not the scale.
_MOST_LEFT_OUT = 32
_DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    """Runs the same training step on a CPU, on one GPU, or in many processes.

    Started by ``torchrun script.py`` or ``accelerate launch script.py``, which start one process a
    device and tell each its number, every process makes an engine and trains a replica of the
    model on data of its own. Models are not wrapped. An optimizer step averages the gradients over
    all processes first, which also serves where a wrapper would not: a gradient penalty
    differentiates twice, and a GAN freezes one network while it updates the other. Nothing else is
    shared: batch normalisation uses the statistics of each process's part of the batch.

    An engine keeps no global state but torch's process group; engines of different devices and
    precisions serve one process side by side.

    Attributes:
        device: where tensors of this process live.
        mixed_precision: "no", "bf16" or "fp16".
        rank: number of this process, from 0.
        n_processes: how many there are.
        is_main: whether this process, number 0, writes files and prints.
    """

    def __init__(
        self, *, device: str | torch.device | None = None, mixed_precision: str = "no"
    ) -> None:
        """Set up the process.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps" and so on; by default the GPU where there is
                one, and among several processes the one of this process's number.
            mixed_precision: of the forward pass; weights, gradients, losses and penalties stay in
                float32. With "fp16", which has a narrow range, the loss is scaled up before it is
                differentiated, and a step whose gradients overflow is left out.

        Raises:
            ValueError: if there is no such device or precision here, or if the variables RANK and
                WORLD_SIZE do not fit each other.
        """
        if mixed_precision not in _DTYPES:
            raise ValueError(
                f"mixed_precision must be one of {', '.join(_DTYPES)}, got {mixed_precision!r}"
            )
        self.mixed_precision = mixed_precision
        self.rank, local_rank, self.n_processes = _numbers_of_process()
        self.is_main = self.rank == 0
        self.device = _device(device, local_rank, self.n_processes)
        self.begin()
        if self.n_processes > 1 and not distributed.is_initialized():
            if self.device.type not in ("cpu", "mps"):
                torch.accelerator.set_device_index(self.device)
            # Objects travel between CPUs, gradients between devices.
            own = distributed.get_default_backend_for_device(self.device)
            distributed.init_process_group(
                own if self.device.type == "cpu" else f"cpu:gloo,{self.device.type}:{own}"
            )
            atexit.register(distributed.destroy_process_group)

    def begin(self) -> None:
        """Forget what an earlier training left in "fp16": its scale of the loss, and its counts.

        :func:`aigc_tutorial.training.run` calls this, so that an engine may serve several runs.
        """
        is_scaled = self.mixed_precision == "fp16"
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=is_scaled)
        # By optimizer: steps that were left out since the last one that was taken, if one was.
        self._left_out: WeakKeyDictionary[torch.optim.Optimizer, tuple[int, bool]] = (
            WeakKeyDictionary()
        )
        # The same from a checkpoint, in the order in which the optimizers take their first steps.
        self._left_out_before: list[tuple[int, bool]] = []

    def prepare(self, model: ModuleT) -> ModuleT:
        """Move a model to the device and give it the weights and buffers of the main process.

        A model in evaluation mode is put into training mode; in one that is in training mode,
        parts that were put into evaluation mode stay there. A weight that is a part of a larger
        tensor, as a narrowed layer's is, becomes one of its own.

        Raises:
            TypeError: if the model is wrapped by ``torch.compile`` or for distributed training.
            ValueError: if it has no parameter that can be trained, is on the meta device, or was
                built within ``torch.inference_mode``.
        """
        if hasattr(model, "_orig_mod"):
            raise TypeError(
                "torch.compile(model) returns a wrapper that hides what kind of model it is; "
                "compile the model itself, in place: model.compile()"
            )
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise TypeError(
                "the engine itself averages gradients over processes: give it the bare model, "
                "model.module"
            )
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ValueError(
                f"the {type(model).__name__} has no parameter that can be trained: all are frozen, "
                "or there is none; model.requires_grad_(True) frees them"
            )
        if any(parameter.is_meta for parameter in model.parameters()):
            raise ValueError(
                f"the {type(model).__name__} is on the meta device, which holds no values; build "
                "it on the CPU"
            )
        if any(tensor.is_inference() for tensor in [*model.parameters(), *model.buffers()]):
            raise ValueError(
                f"the {type(model).__name__} was built within torch.inference_mode, where nothing "
                "can be trained; build it outside"
            )
        model.to(self.device)
        for parameter in model.parameters():
            if not is_dense(parameter):
                # Torch's fused Adam steps through the memory, gaps included, without a word.
                parameter.data = parameter.detach().clone(memory_format=torch.contiguous_format)
        if not model.training:
            model.train()
        if self.n_processes > 1:
            for tensor in [*model.parameters(), *model.buffers()]:
                whole = tensor.detach().contiguous()
                distributed.broadcast(whole, src=0)
                tensor.detach().copy_(whole)
        return model

    def autocast(self) -> AbstractContextManager[Any]:
        """Context in which the forward pass runs in the chosen precision.

        Raises:
            RuntimeError: within another ``torch.autocast``, which keeps copies of the weights as
                they were before the first step.
        """
        if torch.is_autocast_enabled(self.device.type):
            raise RuntimeError(
                "training chooses its precision itself, and trains on old copies of the weights "
                "within torch.autocast: leave that context, and ask for "
                'Engine(mixed_precision="bf16") or "fp16"'
            )
        if self.mixed_precision == "no":
            return nullcontext()
        # Such copies also stay while a context that is switched off is around this one.
        torch.clear_autocast_cache()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.mixed_precision])

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Zero the gradients, differentiate ``loss``, average over processes, take one step.

        Several optimizers each move parameters of their own.

        Raises:
            FloatingPointError: in "fp16", if one step after the other had to be left out.
        """
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if self.n_processes > 1:
            groups = [group for optimizer in optimizers for group in optimizer.param_groups]
            _average_gradients([p for group in groups for p in group["params"]], self.n_processes)
        if not self._scaler.is_enabled():
            for optimizer in optimizers:
                optimizer.step()
            return
        for optimizer in optimizers:
            self._scaler.unscale_(optimizer)  # before an optimizer measures the gradients' length
            self._scaler.step(optimizer)
        scale = self._scaler.get_scale()
        self._scaler.update()
        self._count_left_out(optimizers, self._scaler.get_scale() < scale)

    def check_steps(self) -> None:
        """Raise a FloatingPointError if an optimizer of a training in "fp16" took no step at all.

        One whose gradients overflow at every scale of the loss is told sooner, by ``minimise``.
        """
        for n_left_out, has_stepped in self._left_out.values():
            if n_left_out and not has_stepped:
                raise FloatingPointError(
                    f"none of {n_left_out} steps in fp16 was taken: the gradients of each were "
                    'NaN or infinite. Train longer, or with mixed_precision="bf16" or "no"'
                )

    def _count_left_out(
        self, optimizers: Sequence[torch.optim.Optimizer], is_left_out: bool
    ) -> None:
        for optimizer in optimizers:
            if optimizer not in self._left_out and self._left_out_before:
                self._left_out[optimizer] = self._left_out_before.pop(0)
            n_left_out, has_stepped = self._left_out.get(optimizer, (0, False))
            if not is_left_out:
                self._left_out[optimizer] = (0, True)
                continue
            self._left_out[optimizer] = (n_left_out + 1, has_stepped)
            if n_left_out + 1 >= _MOST_LEFT_OUT:
                raise FloatingPointError(
                    f"{_MOST_LEFT_OUT} steps in fp16 were left out one after the other, since "
                    "their gradients were NaN or infinite at every scale of the loss. Look for "
                    'such numbers in the model, or train with mixed_precision="bf16" or "no"'
                )

    def total(self, number: int) -> int:
        """Sum of a whole number over all processes."""
        if self.n_processes == 1:
            return number
        whole = torch.tensor(number, device="cpu")
        distributed.all_reduce(whole)
        return int(whole)

    def mean(self, values: Mapping[str, Tensor | float]) -> dict[str, float]:
        """Averages of scalars over all processes."""
        own = {name: float(value) for name, value in values.items()}
        if self.n_processes == 1:
            return own
        rows = self.gather(own)
        return {name: sum(row[name] for row in rows) / len(rows) for name in own}

    def gather(self, value: ValueT) -> list[ValueT]:
        """What each process gives, in the order of their numbers."""
        if self.n_processes == 1:
            return [value]
        values: list[Any] = [None] * self.n_processes
        distributed.all_gather_object(values, value)
        return values

    def from_main(self, value: ValueT) -> ValueT:
        """What the main process gives; the values of the others are ignored."""
        if self.n_processes == 1:
            return value
        values: list[Any] = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def state_dict(self) -> dict[str, Any]:
        """The scale of the loss and which steps were left out in "fp16"; nothing in others."""
        if not self._scaler.is_enabled():
            return {}
        left_out = [*self._left_out.values(), *self._left_out_before]
        return {**self._scaler.state_dict(), "left_out": left_out}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        if self._scaler.is_enabled():
            self.begin()
            self._left_out_before = list(state["left_out"])
            self._scaler.load_state_dict(state)


def _numbers_of_process() -> tuple[int, int, int]:
    """Number of this process, its number on this machine, and how many there are.

    What starts several processes tells each by environment variables. A number without their count
    is left over from something else.
    """
    texts = {name: os.environ.get(name) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK")}
    if texts["WORLD_SIZE"] is None:
        return 0, 0, 1
    try:
        n_processes = int(texts["WORLD_SIZE"])
        if n_processes == 1:
            return 0, 0, 1
        rank = int(texts["RANK"] or "missing")
        local_rank = int(texts["LOCAL_RANK"] or 0)
        if not 0 <= rank < n_processes or local_rank < 0:
            raise ValueError(f"there is no process {rank} of {n_processes}")
    except ValueError as error:
        raise ValueError(
            f"the environment variables {texts} do not describe one of several processes "
            f"({error}): start them by torchrun or accelerate launch, or unset these variables"
        ) from error
    return rank, local_rank, n_processes


def as_engine(engine: Any, *, device: str | None = None) -> Engine:
    """The engine that was given, or where there is none a new one.

    Args:
        engine: an engine, or None.
        device: of a new one; None for the best there is.

    Raises:
        TypeError: if it is something else.
    """
    if engine is None:
        return Engine(device=device)
    return as_instance(engine, Engine, "engine", 'write Engine(device="cpu"), say')


class DefaultRandomness:
    """Torch's own generators, on the CPU and on a device, as a part of a run.

    Dropout and ``torch.randn`` draw from them where they are given no other. They are the same for
    all threads: trainings at the same time that draw from them disturb each other.
    """

    _open: ClassVar[list["_Lent"]] = []  # who has seeded them and not given them back, in order

    def __init__(self, device: torch.device) -> None:
        self.generators = _default_generators(device)

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Seed them, and give them back their states afterwards."""
        with default_generators:
            own = _Lent(self.state_dict()["states"])
            self._open.append(own)
            for generator in self.generators:
                generator.manual_seed(seed)
        try:
            yield
        finally:
            with default_generators:
                place = next(i for i, lent in enumerate(self._open) if lent is own)
                del self._open[place]
                if place == len(self._open):
                    self.load_state_dict({"states": own.before})
                else:
                    # Another thread has seeded them since: it will give back what was before both.
                    later = self._open[place]
                    later.before = own.before + later.before[len(own.before) :]

    def state_dict(self) -> dict[str, Any]:
        """Their states."""
        return {"states": [generator.get_state() for generator in self.generators]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned, on a machine without the device too."""
        for generator, saved in zip(self.generators, state["states"], strict=False):
            generator.set_state(saved)


@dataclass
class _Lent:
    """States of the generators before they were seeded."""

    before: list[Tensor]


def _default_generators(device: torch.device) -> list[torch.Generator]:
    """What dropout and ``torch.randn`` draw from on the CPU and on a device."""
    found = [torch.default_generator]
    if device.type == "mps":
        found.append(torch.mps._get_default_mps_generator())
    elif device.type != "cpu":
        module = torch.get_device_module(device)
        index = module.current_device() if device.index is None else device.index
        found += list(getattr(module, "default_generators", ()))[index : index + 1]
    return found


def _device(device: str | torch.device | None, local_rank: int, n_processes: int) -> torch.device:
    """The device that was asked for, or the best one, after a check that it is there."""
    here = torch.accelerator.current_accelerator(check_available=True)
    if device is None:
        if here is None:
            return torch.device("cpu")
        if n_processes > 1:
            return torch.device(here.type, local_rank % torch.accelerator.device_count())
        return here
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f'{device!r} names no device; write "cpu", "cuda", "cuda:1", "mps" or None for the best'
        ) from error
    if wanted.type == "cpu":
        return wanted
    n_devices = torch.accelerator.device_count() if here is not None else 0
    if here is None or here.type != wanted.type or (wanted.index or 0) >= n_devices:
        found = "none" if here is None else f"{n_devices} of type {here.type}"
        raise ValueError(
            f"torch sees no device {device!s} on this machine; accelerators found: {found}. "
            'Pass device=None to take the best there is, or device="cpu"'
        )
    if n_processes > 1 and ":" not in str(wanted) and wanted.type != "mps":
        return torch.device(wanted.type, local_rank % n_devices)
    return wanted


def _average_gradients(parameters: Sequence[Tensor], n_processes: int) -> None:
    """Replace each gradient by its mean over all processes, in one message.

    Beside the gradients travels who has one: a part of the model that one process's batch did not
    use has none there, which is a gradient of zero for the mean; one that no process used keeps
    none.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    flags = torch.tensor([float(p.grad is not None) for p in trained], device=trained[0].device)
    flat = torch.cat([flags, *(gradient.reshape(-1) for gradient in gradients)])
    distributed.all_reduce(flat)
    flat /= n_processes
    used, *pieces = flat.split([len(trained), *(gradient.numel() for gradient in gradients)])
    for parameter, gradient, piece, share in zip(trained, gradients, pieces, used, strict=True):
        # Asked only where it matters: to read a number is to wait for the device.
        is_used = gradient is parameter.grad or bool(share > 0)
        parameter.grad = gradient.copy_(piece.view(gradient.shape)) if is_used else None
