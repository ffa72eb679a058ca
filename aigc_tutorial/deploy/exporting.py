"""From a trained model to files that need none of its code: ONNX, and torch's own exported program.

An export is made by running the model once on an example and writing down what happened. What the
example's sizes decided along the way would be written down as well, so sizes that may differ have
to be declared; and since a mistake here is silent, every file is run at other sizes than the
example's, and compared with the model, before it takes its place.
"""

import copy
import dataclasses
import importlib.metadata
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aigc_tutorial.deploy.graphs import EXAMPLE_SIZES, MAIN, STEP, Graph, Port, graphs_of
from aigc_tutorial.deploy.manifest import MANIFEST_NAME, GraphCard, Manifest, manifest
from aigc_tutorial.deploy.runtime import OnnxRunner, TorchRunner
from aigc_tutorial.environment import require
from aigc_tutorial.files import expand, replace_files, sha256_of_file
from aigc_tutorial.nn import Pretrained
from aigc_tutorial.tensors import require_finite
from aigc_tutorial.tokenizers import Tokenizer

TOLERANCE = 1e-4
"""How far an output y of an exported graph may be from the model's, as a share of 1 + |y|."""
TOKENIZER_NAME = "tokenizer.json"
_NAMES = {TOKENIZER_NAME, *(f"{name}.{kind}" for name in (MAIN, STEP) for kind in ("onnx", "pt2"))}
"""All that an export can consist of, besides its manifest."""
_PACKAGES = ("aigc_tutorial", "torch", "onnx", "onnxscript", "onnxruntime")
_CHECKED_BATCHES = (1, 3, 17)


def export(model: Pretrained, folder: str | Path, *, tokenizer: Tokenizer | None = None) -> Path:
    """Write a model as files that other programs can run.

    A generator, a classifier or a PixelCNN becomes ``model.onnx`` and ``model.pt2``, a
    ``Transformer`` or a ``GPT2`` also ``step.onnx`` and ``step.pt2``, which read one further token;
    :mod:`aigc_tutorial.deploy.graphs` says what goes in and comes out, and so does
    ``manifest.json``, which is written last. Batches, texts and caches may have any size within
    the manifest's limits.

    Args:
        model: on any device; a copy of it is exported, in evaluation mode and float32.
        folder: is made if it is missing. An earlier export there is replaced, and nothing else,
            whatever its manifest says.
        tokenizer: what a model of text was trained with; it is written beside the graphs.

    Returns:
        The folder.

    Raises:
        TypeError: if the model is of a kind that cannot be exported.
        ValueError: if it holds NaN or an infinity, the tokenizer is not its own, or a written
            graph computes something else than the model.
        FileExistsError: if a file would be replaced that is none of an earlier export.
        OSError: if the folder cannot be written.
    """
    require("onnx", extra="export")
    require("onnxscript", extra="export")  # what torch translates with
    graphs_of(model)  # before the copy, which may be large
    copied = copy.deepcopy(model).to("cpu", torch.float32).eval().requires_grad_(False)
    require_finite(copied.state_dict(), f"the {type(model).__name__} is not exported: it has")
    _check_tokenizer(model, tokenizer)
    graphs, folder = graphs_of(copied), expand(folder)
    names = [f"{graph.name}.{kind}" for graph in graphs for kind in ("onnx", "pt2")]
    names += [TOKENIZER_NAME] * (tokenizer is not None)
    old = _replaceable(folder, [*names, MANIFEST_NAME])
    with replace_files(folder, *names, MANIFEST_NAME) as temporary:
        if tokenizer is not None:
            tokenizer.save(temporary / TOKENIZER_NAME)
        cards = {graph.name: _write(graph, temporary) for graph in graphs}
        written = manifest(
            model=type(model).__name__,
            config=dataclasses.asdict(model.config),
            graphs=cards,
            tokenizer=None if tokenizer is None else TOKENIZER_NAME,
            tolerance=TOLERANCE,
            sha256={name: sha256_of_file(temporary / name) for name in names},
            versions=_versions(temporary / names[0]),
        )
        (temporary / MANIFEST_NAME).write_text(written.to_json(), encoding="utf-8")
    for name in old - {*names, MANIFEST_NAME}:  # a graph that the earlier model had
        (folder / name).unlink(missing_ok=True)
    return folder


def _write(graph: Graph, folder: Path) -> GraphCard:
    """Export one graph, run what was written, and say what is known of it."""
    with warnings.catch_warnings():
        # What torch tells its own developers on the way.
        warnings.simplefilter("ignore")
        program = _program(graph)
        # torch's writer ends the process when the disk is full; Python's raises an error.
        memory = io.BytesIO()
        torch.export.save(program, memory)
        (folder / f"{graph.name}.pt2").write_bytes(memory.getbuffer())
        _write_onnx(program, graph, folder / f"{graph.name}.onnx")
        checked_at, difference = _compare(graph, folder)
    return GraphCard(
        onnx=f"{graph.name}.onnx",
        torch=f"{graph.name}.pt2",
        inputs=graph.inputs,
        outputs=graph.outputs,
        sizes={name: list(limits) for name, limits in graph.sizes.items()},
        traced_at={name: EXAMPLE_SIZES[name] for name in graph.sizes},
        checked_at=tuple(checked_at),
        largest_difference=difference,
    )


@torch.no_grad()
def _program(graph: Graph) -> torch.export.ExportedProgram:
    """Trace a graph; each size that may differ is a symbol within its limits."""
    sizes = {
        name: torch.export.Dim(name, min=least, max=largest)
        for name, (least, largest) in graph.sizes.items()
    }
    dynamic = tuple(
        {axis: sizes[size] for axis, size in enumerate(port.shape) if isinstance(size, str)}
        for port in graph.inputs
    )
    example = graph.example(_within(graph, EXAMPLE_SIZES), rng=torch.Generator().manual_seed(0))
    return torch.export.export(graph.module, example, dynamic_shapes=dynamic)


def _write_onnx(program: torch.export.ExportedProgram, graph: Graph, path: Path) -> None:
    """Translate a traced graph to ONNX, with the ports' names and without this machine's paths."""
    translated: Any = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        external_data=False,
        input_names=[port.name for port in graph.inputs],
        output_names=[port.name for port in graph.outputs],
    )
    proto = translated.model_proto
    symbols = _symbols(proto, graph.inputs)
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = re.sub(
                    r"\bs\d+\b", lambda found: symbols.get(found[0], found[0]), size.dim_param
                )
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]  # the lines of source code that each node comes from
    path.write_bytes(proto.SerializeToString())


def _symbols(proto: Any, inputs: Sequence[Port]) -> dict[str, str]:
    """What torch calls the sizes, and what they are called here."""
    symbols = {}
    for value, port in zip(proto.graph.input, inputs, strict=True):
        for size, ours in zip(value.type.tensor_type.shape.dim, port.shape, strict=True):
            if isinstance(ours, str):
                symbols[size.dim_param] = ours
    return symbols


@torch.no_grad()
def _compare(graph: Graph, folder: Path) -> tuple[list[dict[str, int]], float]:
    """Run both files at other sizes than the example's.

    Returns:
        The sizes, and the largest difference from the model as a share of 1 + |value|.

    Raises:
        ValueError: if it is above ``TOLERANCE``.
    """
    runners: dict[str, OnnxRunner | TorchRunner] = {
        "onnx": OnnxRunner(folder / f"{graph.name}.onnx"),
        "pt2": TorchRunner(folder / f"{graph.name}.pt2"),
    }
    rng, largest, all_sizes = torch.Generator().manual_seed(1), 0.0, _other_sizes(graph)
    for sizes in all_sizes:
        inputs = graph.example(sizes, rng=rng)
        outputs = graph.module(*inputs)
        expected = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        if graph.model is not None:
            expected[0] = graph.model(*inputs)
        named = {port.name: tensor for port, tensor in zip(graph.inputs, inputs, strict=True)}
        for kind, runner in runners.items():
            for port, right, found in zip(graph.outputs, expected, runner.run(named), strict=True):
                difference = relative_difference(found, right)
                if not difference <= TOLERANCE:
                    raise ValueError(
                        f"{graph.name}.{kind} is not the model: at {sizes}, {port.name} differs by "
                        f"{difference:.2g} of 1 + |value|, more than {TOLERANCE}; nothing was "
                        "written. Does the model decide by values or sizes what it computes?"
                    )
                largest = max(largest, difference)
    return all_sizes, largest


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference of two tensors as a share of 1 + |expected|; infinite for other shapes."""
    if found.shape != expected.shape:
        return float("inf")
    return float(((found - expected).abs() / (1 + expected.abs())).max())


def _other_sizes(graph: Graph) -> list[dict[str, int]]:
    """Batches of 1, 3 and 17, with texts of one token, of some, and up to the context's edge."""
    lengths: dict[str, Sequence[int]] = {"batch": _CHECKED_BATCHES}
    for name in graph.sizes.keys() - {"batch"}:
        least, largest = graph.sizes[name]
        lengths[name] = (largest, least, (least + largest) // 2)
    columns = zip(*lengths.values(), strict=True)
    return [dict(zip(lengths, column, strict=True)) for column in columns]


def _within(graph: Graph, sizes: dict[str, int]) -> dict[str, int]:
    return {name: min(sizes[name], largest) for name, (_, largest) in graph.sizes.items()}


def _check_tokenizer(model: Any, tokenizer: Tokenizer | None) -> None:
    if tokenizer is None:
        return
    n_tokens = getattr(model, "vocab_size", None)
    if n_tokens != tokenizer.vocab_size:
        expected = "reads no text" if n_tokens is None else f"has {n_tokens} tokens"
        raise ValueError(
            f"the tokenizer of {tokenizer.vocab_size} tokens is not this model's: the "
            f"{type(model).__name__} {expected}"
        )


def _replaceable(folder: Path, names: Sequence[str]) -> set[str]:
    """Names of the files of an earlier export, if there is one.

    Raises:
        FileExistsError: if one of ``names`` is there and was not written by an earlier export.
    """
    try:
        ours = {*Manifest.load(folder).sha256} & _NAMES | {MANIFEST_NAME}
    except (FileNotFoundError, ValueError):
        ours = set()
    if strange := [name for name in names if (folder / name).exists() and name not in ours]:
        raise FileExistsError(
            f"{folder} holds {', '.join(strange)}, which no export wrote that this package knows, "
            "and which would be replaced; give another folder, or move the file away"
        )
    return ours


def _versions(path: Path) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # used from its folder
            found[package] = "not installed"
    onnx: Any = require("onnx", extra="export")
    opsets = onnx.load(path, load_external_data=False).opset_import
    found["opset"] = next(opset.version for opset in opsets if opset.domain == "")
    return found
