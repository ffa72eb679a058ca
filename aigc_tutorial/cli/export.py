"""``aigc-tutorial export``: a trained model as files that other programs run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from aigc_tutorial import deploy
from aigc_tutorial.cli.parsing import parse_as
from aigc_tutorial.cli.runs import find_model

EXAMPLES = (
    "aigc-tutorial export mnist-conv-gan out/gan",
    "aigc-tutorial export shakespeare-characters out/text",
    "aigc-tutorial export runs/gan out/my-gan",
)


@dataclass(frozen=True)
class Export:
    """Write a model as ONNX and as torch's exported program, with a manifest of what goes in.

    Each file is run at other sizes than it was traced at and compared with the model before it
    takes its place; the manifest says by how much it may differ, and by how much it does. A model
    of text has its tokenizer beside it, and a second graph that reads one further token.

    Attributes:
        model: a name of the zoo, or the folder of a run of yours.
        folder: where the files go; an earlier export there is replaced, and nothing else.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]

    def run(self) -> None:
        """Export, and say what was written."""
        found = find_model(self.model)
        folder = deploy.export(found.model, self.folder, tokenizer=found.tokenizer)
        exported = deploy.load(folder)
        print(exported)
        for name, graph in exported.manifest.graphs.items():
            print(
                f"{folder / graph.onnx}, {graph.torch}: {name}, differs from the model by "
                f"{graph.largest_difference:.1e} at most"
            )


def parse(arguments: Sequence[str]) -> Export:
    """Understand what follows ``export``."""
    return parse_as(Export, arguments, command="export", examples=EXAMPLES)
