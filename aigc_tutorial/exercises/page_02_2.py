"""Exercises of the page on how the concepts connect: diagrams as data."""

from collections.abc import Iterator
from typing import Any

import torch

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "02_2_connections"


def _texts(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield ("network (GAN)",)
    yield ("plain",)
    yield ('G(z), called "fake"',)


@exercise(
    "quoted-label",
    page=PAGE,
    level="warm-up",
    cases=_texts,
    hint="Mermaid writes a quote inside quotes as #quot; in the manner of HTML, with # for &.",
    remark="Quoting every label, and not only those that need it, spares the question which do.",
    mistakes=[
        Mistake(
            lambda text: f"[{text}]",
            "the bracket of the text still stands bare inside those of the node.",
        ),
        Mistake(
            lambda text: f'["{text}"]',
            "a quote inside the text ends the label early. Replace it by #quot; first.",
        ),
        Mistake(
            lambda text: '["' + text.replace("(", "").replace(")", "") + '"]',
            "the brackets belong to the text; quotes let them stay.",
        ),
    ],
)
def node_label(text: str) -> str:
    """A node's label in Mermaid's language: brackets, quotes, and the text between them.

    For example ``network (GAN)`` becomes ``["network (GAN)"]``.
    """
    escaped = text.replace('"', "#quot;")
    return f'["{escaped}"]'


def _doubled(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield (
        {"A": "GAN", "B": "AR", "C": "pre-training", "E": "pre-training", "G": "attention"},
        [("A", "C"), ("B", "E"), ("C", "G"), ("E", "G")],
    )
    yield ({"A": "x", "B": "x", "C": "y"}, [("A", "B"), ("B", "C"), ("A", "C")])
    yield ({"A": "x", "B": "y"}, [("A", "B"), ("B", "A")])


def _merged(nodes: dict[str, str], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted({(nodes[a], nodes[b]) for a, b in edges})


@exercise(
    "merge-doubles",
    page=PAGE,
    level="core",
    cases=_doubled,
    hint="replace each key by its text, put the pairs into a set, and leave out those that begin "
    "where they end.",
    remark="Two of the document's diagrams' nodes vanish in this way, and with them the dead end.",
    mistakes=[
        Mistake(
            lambda nodes, edges: sorted((nodes[a], nodes[b]) for a, b in edges),
            "once the doubles are one node, two arrows between the same nodes are one arrow.",
        ),
        Mistake(
            _merged,
            "an arrow between two copies of a node now begins and ends at the same one. Leave it "
            "out.",
        ),
        Mistake(
            lambda nodes, edges: [e for e in _merged(nodes, edges) if e[0] < e[1]],
            "an arrow and its reverse are two arrows.",
        ),
    ],
)
def merge_doubles(nodes: dict[str, str], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Arrows of a diagram in which nodes of the same text have become one.

    ``nodes`` maps keys to texts, ``edges`` are pairs of keys. Return pairs of texts, sorted, each
    once, and none from a node to itself.
    """
    pairs = {(nodes[source], nodes[target]) for source, target in edges}
    return sorted((source, target) for source, target in pairs if source != target)


def _graphs(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    chain = [("data", "targets"), ("targets", "weights"), ("weights", "model"), ("noise", "other")]
    yield chain, "model"
    yield chain, "data"
    yield [("a", "b"), ("b", "a"), ("c", "a"), ("b", "d")], "a"


def _parents(edges: list[tuple[str, str]], node: str) -> list[str]:
    return sorted({source for source, target in edges if target == node})


def _upstream(edges: list[tuple[str, str]], node: str) -> set[str]:
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for parent in _parents(edges, waiting.pop()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


@exercise(
    "what-it-needs",
    page=PAGE,
    level="core",
    cases=_graphs,
    hint="keep a list of nodes to visit and a set of those found; add a node to the list only when "
    "it is new.",
    remark="In the corrected diagram neither family needs the other; in the document's, the "
    "autoregressive model needs the GAN.",
    mistakes=[
        Mistake(_parents, "these are the direct ones. What do those need?"),
        Mistake(
            lambda edges, node: sorted(_upstream([(b, a) for a, b in edges], node) - {node}),
            "these are the nodes that need it: the arrows were followed forwards.",
        ),
        Mistake(
            lambda edges, node: sorted(_upstream(edges, node)),
            "the node itself does not count, even where the arrows lead back to it.",
        ),
    ],
)
def needs(edges: list[tuple[str, str]], node: str) -> list[str]:
    """All nodes from which arrows lead to ``node``, directly or through others, sorted.

    ``edges`` are pairs (from, to), and may go round in circles.
    """
    found: set[str] = set()
    waiting = [node]
    while waiting:
        target = waiting.pop()
        new = {source for source, end in edges if end == target} - found
        found |= new
        waiting += new
    return sorted(found - {node})
