"""The diagrams hold what they claim: functions exist, pages run them, and Mermaid can read them."""

import ast
import dataclasses
import re
from pathlib import Path

import nbformat
import pytest

from aigc_tutorial.pages import concepts
from aigc_tutorial.pages.concepts import CONCEPTS, PIPELINE, ConceptMap, Edge
from aigc_tutorial.pages.display import Shown

ROOT = Path(__file__).resolve().parents[2]
MAPS = pytest.mark.parametrize("diagram", [CONCEPTS, PIPELINE], ids=["concepts", "pipeline"])
EDGES = pytest.mark.parametrize(
    "edge", [*CONCEPTS.edges, *PIPELINE.edges], ids=lambda edge: f"{edge.source}-{edge.target}"
)


def names_in(page: str) -> set[str]:
    """Names and attributes that a page's code mentions."""
    cells = nbformat.read(ROOT / "book" / f"{page}.ipynb", as_version=4).cells
    code = [c.source for c in cells if c.cell_type == "code" and "%pip" not in c.source]
    nodes = [node for source in code for node in ast.walk(ast.parse(source))]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@EDGES
def test_function_exists_and_is_the_packages_own(edge: Edge) -> None:
    found = concepts.resolve(edge.function)
    assert callable(found)
    assert found.__module__.startswith("aigc_tutorial.")


@EDGES
def test_page_is_in_the_book_and_uses_the_function(edge: Edge) -> None:
    listed = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert re.search(rf"file: book/{edge.page}$", listed, re.MULTILINE)
    assert edge.function.rsplit(".", 1)[-1] in names_in(edge.page)


def test_neither_family_needs_the_other() -> None:
    def upstream(node: str) -> set[str]:
        direct = {edge.source for edge in CONCEPTS.edges if edge.target == node}
        seen: set[str] = set()
        while direct - seen:
            seen |= direct
            direct |= {e.source for e in CONCEPTS.edges if e.target in direct}
        return seen

    assert not upstream("ar") & {"generator", "discriminator"}
    assert "ar" not in upstream("generator") | upstream("discriminator")


@MAPS
def test_every_text_is_quoted(diagram: ConceptMap) -> None:
    code = diagram.mermaid()
    assert concepts.unquoted_brackets(code) == []
    for text in diagram.nodes.values():
        assert f'["{text}"]' in code


@MAPS
def test_every_edge_is_drawn_once(diagram: ConceptMap) -> None:
    lines = diagram.mermaid().splitlines()
    for edge in diagram.edges:
        arrow = re.compile(rf"\s*{edge.source} .*> {edge.target}$")
        drawn = [line for line in lines if arrow.match(line)]
        assert len(drawn) == 1
        assert edge.says in drawn[0]
        assert ("-." in drawn[0]) == (edge.kind == "gradient")


@MAPS
def test_it_is_shown_as_a_fence_with_a_description(
    diagram: ConceptMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Shown] = []
    monkeypatch.setattr(concepts, "show", shown.append)
    diagram.show()
    markdown = shown[0].markdown or ""
    assert markdown.startswith('```mermaid\n---\nalt: "')
    assert markdown.endswith(diagram.mermaid() + "\n```")
    assert '"' not in diagram.alt


def test_edges_are_listed_with_links_and_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Shown] = []
    monkeypatch.setattr(concepts, "show", shown.append)
    outcomes = {edge.ends: f"outcome {i}" for i, edge in enumerate(CONCEPTS.edges)}
    CONCEPTS.show_edges(outcomes)
    rows = (shown[0].markdown or "").splitlines()[2:]
    assert len(rows) == len(CONCEPTS.edges)
    for i, (row, edge) in enumerate(zip(rows, CONCEPTS.edges, strict=True)):
        assert f"({edge.page}.ipynb)" in row
        name = re.search(r"\[`([\w.]+)`\]\(https://", row)
        assert name is not None
        assert edge.function.endswith(name[1])
        assert row.endswith(f"| outcome {i} |")
    with pytest.raises(ValueError, match="every edge"):
        CONCEPTS.show_edges({("data", "ar"): "one alone"})


def test_a_diagram_that_does_not_hang_together_is_refused() -> None:
    edge = Edge("a", "b", "says", "ar.trainer.train", "02_3_pipeline")
    with pytest.raises(ValueError, match="not there: b"):
        ConceptMap("alt", {"a": "A"}, (edge,))
    with pytest.raises(ValueError, match="without an edge: c"):
        ConceptMap("alt", {"a": "A", "b": "B", "c": "C"}, (edge,))
    with pytest.raises(ValueError, match="for itself: end"):
        ConceptMap("alt", {"a": "A", "end": "B"}, (dataclasses.replace(edge, target="end"),))
    with pytest.raises(ValueError, match="same ends"):
        ConceptMap("alt", {"a": "A", "b": "B"}, (edge, edge))


def test_a_function_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no_such"):
        concepts.resolve("ar.trainer.no_such")
    with pytest.raises(AttributeError, match="no_such"):
        concepts.resolve("no_such.thing")


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("A[a network (GAN)] --> B[plain]", ["a network (GAN)"]),
        ('A["a network (GAN)"] --> B(round)', []),
        ("B[自回归 (AR) 模型]", ["自回归 (AR) 模型"]),
    ],
)
def test_brackets_that_need_quotes_are_found(source: str, faults: list[str]) -> None:
    assert concepts.unquoted_brackets(source) == faults


def test_no_diagram_of_the_book_has_such_a_fault() -> None:
    for path in (ROOT / "book").glob("*.ipynb"):
        text = "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for diagram in re.findall(r"```\{mermaid\}.*?```", text, re.DOTALL):
            assert concepts.unquoted_brackets(diagram) == [], path.name
