"""Running exported graphs, in onnxruntime or in torch, with inputs that were looked at."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aigc_tutorial.deploy.graphs import MAIN, Port
from aigc_tutorial.deploy.manifest import GraphCard, Manifest
from aigc_tutorial.environment import require
from aigc_tutorial.files import expand
from aigc_tutorial.integers import as_int64, require_unmasked
from aigc_tutorial.tokenizers import Tokenizer, load_tokenizer

_NUMPY_TYPES = {torch.float32: np.float32, torch.int64: np.int64}


class OnnxRunner:
    """Computes a graph by onnxruntime, on the processor, with as many threads as torch has.

    Attributes:
        session: the ``onnxruntime.InferenceSession``.
    """

    def __init__(self, path: Path) -> None:
        onnxruntime: Any = require("onnxruntime", extra="export")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors alone: a graph with spare nodes is no news
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its kinds of errors have no name in common
            raise _unreadable(path, f"onnxruntime {onnxruntime.__version__}", error) from error

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs in the graph's order, of inputs by name."""
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return [torch.from_numpy(array) for array in self.session.run(None, arrays)]

    def run_into(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """Write all outputs into contiguous memory of theirs; nothing is copied on the way."""
        binding = self.session.io_binding()
        for name, tensor in inputs.items():
            kind = _NUMPY_TYPES[tensor.dtype]
            binding.bind_input(name, "cpu", 0, kind, tuple(tensor.shape), tensor.data_ptr())
        for name, tensor in outputs.items():
            kind = _NUMPY_TYPES[tensor.dtype]
            binding.bind_output(name, "cpu", 0, kind, tuple(tensor.shape), tensor.data_ptr())
        self.session.run_with_iobinding(binding)


class TorchRunner:
    """Computes a graph by torch, as :func:`torch.export.load` reads it.

    Nothing is unpickled: a file with anything in it that torch would have to unpickle is refused.
    """

    def __init__(self, path: Path) -> None:
        memory = io.BytesIO(path.read_bytes())
        try:
            _refuse_pickles(memory)
            self._module = torch.export.load(memory).module()
        except Exception as error:  # torch raises whatever it comes upon
            raise _unreadable(path, f"torch {torch.__version__}", error) from error

    @torch.no_grad()
    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs in the graph's order, of inputs by name."""
        outputs = self._module(*inputs.values())
        return [outputs] if isinstance(outputs, Tensor) else list(outputs)

    def run_into(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """Copy all outputs, given in the graph's order, into memory of theirs."""
        for memory, found in zip(outputs.values(), self.run(inputs), strict=True):
            memory.copy_(found)


class Exported:
    """A model that was exported, without its code: called as the model was, in evaluation mode.

    Inputs are tensors, NumPy arrays or lists, on the processor, by place or by name. They are
    looked at: sizes, types, and whether tokens and labels are there at all.

    Attributes:
        folder: where it was read.
        manifest: what it takes and gives, and where it comes from.
        tokenizer: the model's, if one was exported with it.
        backend: what computes.
    """

    def __init__(self, folder: str | Path, *, backend: str = "onnx") -> None:
        if backend not in ("onnx", "torch"):
            raise ValueError(f'backend must be "onnx" or "torch", got {backend!r}')
        self.folder = expand(folder)
        self.manifest = Manifest.load(self.folder)
        self.manifest.verify(self.folder)
        self.backend = backend
        name = self.manifest.tokenizer
        self.tokenizer: Tokenizer | None = load_tokenizer(self.folder / name) if name else None
        self._runners = {
            name: OnnxRunner(self.folder / card.onnx)
            if backend == "onnx"
            else TorchRunner(self.folder / card.torch)
            for name, card in self.manifest.graphs.items()
        }

    def __call__(self, *inputs: Any, **named: Any) -> Tensor:
        """The model's own output: images of latents, logits of images or tokens.

        Raises:
            ValueError: as :meth:`run` does.
        """
        return next(iter(self.run(MAIN, *inputs, **named).values()))

    def run(self, graph: str, *inputs: Any, **named: Any) -> dict[str, Tensor]:
        """All outputs of one of the graphs.

        Args:
            graph: ``"model"``, or ``"step"`` of a model of text.
            *inputs: in the order of the manifest.
            **named: by name.

        Returns:
            Tensors by name.

        Raises:
            ValueError: if there is no such graph, or an input is missing, unknown, of another type
                or size, out of its range, or not finite; the message says what was expected.
        """
        if graph not in self._runners:
            raise ValueError(f"there is no graph {graph!r}; this export has {list(self._runners)}")
        card = self.manifest.graphs[graph]
        outputs = self._runners[graph].run(checked_inputs(card, inputs, named))
        return {port.name: tensor for port, tensor in zip(card.outputs, outputs, strict=True)}

    def run_into(
        self, graph: str, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
    ) -> None:
        """Write a graph's outputs into given memory, and look at nothing: for loops.

        Args:
            graph: name of the graph.
            inputs: contiguous tensors by name, in the order of the manifest.
            outputs: contiguous tensors to write into, likewise.
        """
        self._runners[graph].run_into(inputs, outputs)

    def __repr__(self) -> str:
        """The call: ``Exported ConvGenerator(z: float32 (batch, 64)) -> images …``."""
        card = self.manifest.graphs[MAIN]
        sides = [
            ", ".join(f"{p.name}: {p.dtype} ({', '.join(map(str, p.shape))})" for p in ports)
            for ports in (card.inputs, card.outputs)
        ]
        return f"Exported {self.manifest.model}({sides[0]}) -> {sides[1]}"


def load(folder: str | Path, *, backend: str = "onnx") -> Exported:
    """Read an exported model.

    Args:
        folder: written by :func:`aigc_tutorial.deploy.export`.
        backend: ``"onnx"`` runs the graphs in onnxruntime, ``"torch"`` in torch. Nothing is
            unpickled by either. But torch's file is a program, and torch runs parts of it as Python
            already while it reads: take ``"torch"`` only for exports whose maker you trust.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one is damaged or of a version that cannot be read here, or the backend is
            unknown.
    """
    return Exported(folder, backend=backend)


def _refuse_pickles(file: io.BytesIO) -> None:
    """Look through an archive of torch's for what would run code while it is unpickled.

    Raises:
        ValueError: if there is an object that is no tensor.
        zipfile.BadZipFile: if it is no archive.
    """
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if len({*names}) < len(names):
            raise ValueError("an entry stands twice in it")
        for name in names:
            if name.endswith((".pt", ".pkl")):
                # torch tries the same, and where that fails, it unpickles all the same.
                try:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
                except Exception as error:
                    raise ValueError(f"{name} in it holds more than tensors") from error
            elif name.endswith("_config.json"):
                for payload in json.loads(archive.read(name))["config"].values():
                    is_tensor = payload["path_name"].startswith(("weight_", "tensor_"))
                    if payload["use_pickle"] or not is_tensor:
                        raise ValueError(f"{payload['path_name']} in it is pickled")
    file.seek(0)


def _unreadable(path: Path, reader: str, error: Exception) -> ValueError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ValueError(
        f"{path} cannot be read by {reader}: {reason}; was it written by another version, which "
        "the manifest names, or by another program? Export the model again"
    )


def checked_inputs(
    card: GraphCard, inputs: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Inputs by name that the graph can take.

    Raises:
        ValueError: as :meth:`Exported.run` says.
    """
    names = [port.name for port in card.inputs]
    given = dict(zip(names, inputs, strict=False))
    twice, unknown = given.keys() & named.keys(), named.keys() - set(names)
    given |= named
    if len(inputs) > len(names) or twice or unknown or given.keys() != set(names):
        raise ValueError(
            f"expected {', '.join(names)}, each once, got {len(inputs)} by place"
            + (f" and {', '.join(sorted(named))} by name" if named else "")
        )
    sizes: dict[str, int] = {}
    return {port.name: _checked(port, given[port.name], card, sizes) for port in card.inputs}


def _checked(port: Port, value: Any, card: GraphCard, sizes: dict[str, int]) -> Tensor:
    tensor = _as_type(port, value)
    expected = f"({', '.join(str(sizes.get(size, size)) for size in port.shape)})"
    if tensor.ndim != len(port.shape):
        raise ValueError(f"expected {port.name} of shape {expected}, got {tuple(tensor.shape)}")
    for axis, (wanted, found) in enumerate(zip(port.shape, tensor.shape, strict=True)):
        if isinstance(wanted, str) and wanted not in sizes:
            least, largest = card.sizes[wanted]
            if not least <= found <= largest:
                remedy = "" if wanted == "batch" else "; keep the last ones"
                raise ValueError(
                    f"{port.name} may have {least} to {largest} along axis {axis} ({wanted}), got "
                    f"{found}{remedy}"
                )
            sizes[wanted] = found
        elif found != sizes.get(wanted, wanted):
            raise ValueError(f"expected {port.name} of shape {expected}, got {tuple(tensor.shape)}")
    if port.low is not None and port.high is not None and tensor.numel():
        lowest, highest = (int(extreme) for extreme in tensor.aminmax())
        if not port.low <= lowest <= highest <= port.high:
            raise ValueError(
                f"{port.name} must lie in {port.low} … {port.high}, got {lowest} … {highest}"
            )
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise ValueError(f"{port.name} holds NaN or an infinity, of which nothing can be computed")
    return tensor.detach().contiguous()


def _as_type(port: Port, value: Any) -> Tensor:
    if port.dtype == "int64":
        tensor = as_int64(value, port.name)
    else:
        require_unmasked(value, port.name)
        try:
            tensor = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"expected {port.name} as numbers (float32), a tensor or an array, got "
                f"{type(value).__name__} ({error})"
            ) from error
        if tensor.dtype != torch.float32:
            word = ".astype('float32')" if isinstance(value, np.ndarray) else ".float()"
            raise ValueError(
                f"expected {port.name} as float32, got {str(tensor.dtype).removeprefix('torch.')}; "
                f"convert it: {port.name}{word}"
            )
    if tensor.device.type != "cpu":
        raise ValueError(
            f"{port.name} is on {tensor.device}, and an exported model runs on the processor: "
            f"{port.name}.cpu()"
        )
    return tensor
