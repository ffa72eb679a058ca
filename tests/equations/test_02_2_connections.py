"""Both sides of the equation of page 2.2, computed."""

import pytest
import torch

from aigc_tutorial.pages.concepts import CONCEPTS, PIPELINE


def walk(edges: set[tuple[int, int]], node: int) -> set[int]:
    """Nodes from which arrows lead to ``node``, by following each arrow backwards."""
    found: set[int] = set()
    waiting = [node]
    while waiting:
        target = waiting.pop()
        for source, end in edges:
            if end == target and source not in found:
                found.add(source)
                waiting.append(source)
    return found


def check(edges: set[tuple[int, int]], n_nodes: int) -> None:
    matrix = torch.zeros(n_nodes, n_nodes, dtype=torch.float64)
    for source, target in edges:
        matrix[source, target] = 1
    total = sum(torch.linalg.matrix_power(matrix, k) for k in range(1, n_nodes + 1))
    assert isinstance(total, torch.Tensor)
    for node in range(n_nodes):
        by_matrix = set((total[:, node] > 0).nonzero()[:, 0].tolist())
        assert by_matrix == walk(edges, node)


@pytest.mark.equation("connections-reachable")
@pytest.mark.parametrize("seed", range(20))
def test_sum_of_powers_finds_all_that_a_node_rests_on(seed):
    random = torch.Generator().manual_seed(seed)
    n_nodes = 3 + seed % 6
    present = torch.rand(n_nodes, n_nodes, generator=random) < 0.2
    check({(int(i), int(j)) for i, j in present.nonzero()}, n_nodes)


@pytest.mark.parametrize("diagram", [CONCEPTS, PIPELINE], ids=["concepts", "pipeline"])
def test_it_does_so_in_our_diagrams(diagram):
    places = {key: i for i, key in enumerate(diagram.nodes)}
    check({(places[e.source], places[e.target]) for e in diagram.edges}, len(places))
