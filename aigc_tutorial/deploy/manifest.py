"""What stands in the manifest of an exported model: everything that who loads it has to know."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_tutorial.config import Config, from_dict
from aigc_tutorial.deploy.graphs import MAIN, Port
from aigc_tutorial.files import expand, read_json, sha256_of_file

MANIFEST_NAME = "manifest.json"
_MARK = "aigc_tutorial.deploy/1"


@dataclass(frozen=True)
class GraphCard(Config):
    """What is known of one exported graph.

    Attributes:
        onnx: name of its file for onnxruntime.
        torch: name of its file for torch.
        inputs: what it takes, in this order.
        outputs: what it gives, in this order.
        sizes: of each size that may differ from call to call, the least and the largest.
        traced_at: the sizes of the example by which it was exported.
        checked_at: the sizes at which its outputs were compared with the model's.
        largest_difference: what that found, of all outputs and both files, as a share of
            1 + |value|.
    """

    onnx: str
    torch: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    sizes: dict
    traced_at: dict
    checked_at: tuple[dict, ...]
    largest_difference: float


@dataclass(frozen=True)
class Manifest(Config):
    """What :func:`aigc_tutorial.deploy.export` writes beside the files of the graphs.

    Attributes:
        format: what the file is, with the number of its layout.
        model: class of the exported model.
        config: its configuration.
        graphs: by name.
        tokenizer: name of the tokenizer's file; None if there is none.
        tolerance: a graph's outputs y and the model's differ by ``tolerance * (1 + |y|)`` at most.
        sha256: of each file, by name.
        versions: of the packages that made the files, and the ONNX operator set.
    """

    format: str
    model: str
    config: dict
    graphs: dict
    tokenizer: str | None
    tolerance: float
    sha256: dict
    versions: dict

    def to_json(self) -> str:
        """The manifest as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, folder: str | Path) -> "Manifest":
        """Read the manifest of a folder.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is damaged, or of another program or layout.
        """
        path = expand(folder) / MANIFEST_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no {MANIFEST_NAME} in {path.parent}; expected a folder written by "
                "deploy.export(model, folder)"
            )
        values = read_json(path)
        if values.get("format") != _MARK:
            raise ValueError(
                f"{path} is no manifest of this layout: its format is {values.get('format')!r}, "
                f"expected {_MARK!r}; export the model again"
            )
        try:
            values["graphs"] = {
                name: from_dict(GraphCard, _with_ports(graph))
                for name, graph in values["graphs"].items()
            }
            found = from_dict(cls, values)
            found._check_names()
            return found
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}; export the model again") from error

    def verify(self, folder: str | Path) -> None:
        """Compare the files with their sums.

        Raises:
            FileNotFoundError: if one is missing.
            ValueError: if one is not the one that was written; the message names it.
        """
        for name, expected in self.sha256.items():
            path = expand(folder) / name
            if not path.is_file():
                raise FileNotFoundError(f"there is no {path}; export the model again")
            if sha256_of_file(path) != expected:
                raise ValueError(
                    f"{path} is damaged or of another export: its content is not the one in "
                    f"{MANIFEST_NAME}; export the model again"
                )

    def _check_names(self) -> None:
        """Refuse files elsewhere, and files without a sum, which nobody would look at."""
        names = [*self.sha256, *([] if self.tokenizer is None else [self.tokenizer])]
        names += [name for card in self.graphs.values() for name in (card.onnx, card.torch)]
        for name in names:
            if Path(name).name != name or name == MANIFEST_NAME:
                raise ValueError(f"it names the file {name!r}, which is none of its folder")
            if name not in self.sha256:
                raise ValueError(f"it has no sum of {name}")
        if MAIN not in self.graphs:
            raise ValueError(f"it has no graph {MAIN!r}")


def manifest(**values: Any) -> Manifest:
    """A manifest of this layout."""
    return Manifest(format=_MARK, **values)


def _with_ports(graph: dict[str, Any]) -> dict[str, Any]:
    ports = {
        side: tuple(from_dict(Port, port) for port in graph[side]) for side in ("inputs", "outputs")
    }
    return {**graph, **ports}
