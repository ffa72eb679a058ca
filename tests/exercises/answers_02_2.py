"""Answers to the exercises of the page on how the concepts connect."""

import numpy as np
import torch

from tests.exercises.answers import Answers


def reached_by_grad(loss, networks, *, freeze=True):
    """Through torch.autograd.grad, which wants weights that learn and a loss that depends."""
    found = []
    for name, network in networks.items():
        weights = [p for p in network.parameters() if p.requires_grad or not freeze]
        if loss.requires_grad and weights:
            gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
            if any(g is not None for g in gradients):
                found.append(name)
    return tuple(sorted(found))


def reached_by_walking(loss, networks):
    """Along the graph that backward would take."""
    waiting, leaves, seen = [loss.grad_fn], [], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(id(node.variable))
        waiting += [following for following, _ in node.next_functions]
    return sorted(
        name for name, net in networks.items() if any(id(p) in leaves for p in net.parameters())
    )


def first_weight_alone(loss, networks):
    if loss.requires_grad:
        loss.backward()
    return sorted(n for n, net in networks.items() if next(net.parameters()).grad is not None)


def last_weight_alone(loss, networks):
    if loss.requires_grad:
        loss.backward()
    return sorted(n for n, net in networks.items() if [*net.parameters()][-1].grad is not None)


def merged_by_loop(nodes, edges):
    found = []
    for source, target in edges:
        pair = [nodes[source], nodes[target]]
        if pair[0] != pair[1] and pair not in found:
            found.append(pair)
    return sorted(found)


def by_matrix(edges, node, *, powers=None):
    names = sorted({end for edge in edges for end in edge})
    matrix = np.zeros((len(names), len(names)), dtype=int)
    for source, target in edges:
        matrix[names.index(source), names.index(target)] = 1
    chains = [np.linalg.matrix_power(matrix, k) for k in range(1, (powers or len(names)) + 1)]
    total = np.sum(chains, axis=0)
    return [n for n in names if total[names.index(n), names.index(node)] and n != node]


def by_fixed_point(edges, node):
    found: set[str] = set()
    while True:
        more = {a for a, b in edges if b == node or b in found}
        if more == found:
            return tuple(sorted(found - {node}))
        found = more


def only_sources(edges, node):
    return [n for n in by_matrix(edges, node) if all(target != n for _, target in edges)]


ANSWERS = {
    "who-learns": Answers(
        right=[reached_by_grad, reached_by_walking],
        wrong=[
            first_weight_alone,
            last_weight_alone,
            lambda loss, networks: reached_by_grad(loss, networks, freeze=False),
            lambda loss, networks: list(reached_by_grad(loss, networks))[::-1],
            lambda loss, networks: sorted(set(networks) - set(reached_by_grad(loss, networks))),
            lambda loss, networks: len(reached_by_grad(loss, networks)),
            lambda loss, networks: [*reached_by_grad(loss, networks)[:1]],
        ],
    ),
    "merge-doubles": Answers(
        right=[
            merged_by_loop,
            lambda nodes, edges: sorted(
                {
                    f"{nodes[a]}\n{nodes[b]}": (nodes[a], nodes[b])
                    for a, b in edges
                    if nodes[a] != nodes[b]
                }.values()
            ),
        ],
        wrong=[
            lambda nodes, edges: sorted(set(edges)),
            lambda nodes, edges: [(b, a) for a, b in merged_by_loop(nodes, edges)],
            lambda nodes, edges: sorted(merged_by_loop(nodes, edges), key=lambda e: e[1])[::-1],
            lambda nodes, edges: {tuple(pair) for pair in merged_by_loop(nodes, edges)},
            lambda nodes, edges: len(merged_by_loop(nodes, edges)),
            lambda nodes, edges: merged_by_loop(nodes, edges)[:-1],
        ],
    ),
    "what-it-needs": Answers(
        right=[by_matrix, by_fixed_point],
        wrong=[
            lambda edges, node: by_matrix(edges, node, powers=2),
            only_sources,
            lambda edges, node: by_matrix(edges, node)[::-1],
            lambda edges, node: sorted({a for a, _ in edges} - {node}),
            lambda edges, node: len(by_matrix(edges, node)),
        ],
    ),
    "nearest-codes": Answers(
        right=[
            lambda y, e: (y[:, None] - e).square().sum(2).argmin(1),
            lambda y, e: (e.square().sum(1) - 2 * y @ e.T).min(1).indices,
            lambda y, e: np.linalg.norm(y.numpy()[:, None] - e.numpy(), axis=2).argmin(1),
            lambda y, e: [int((row - e).norm(dim=1).argmin()) for row in y],
        ],
        wrong=[
            lambda y, e: (y[:, None] - e).abs().sum(2).argmin(1),
            lambda y, e: torch.nn.functional.normalize(e) @ y.T,
            lambda y, e: (y @ torch.nn.functional.normalize(e).T).argmax(1),
            lambda y, e: (e.square().sum(1) + 2 * y @ e.T).argmin(1),
            lambda y, e: torch.cdist(y, e).argmin(1) + 1,
            lambda y, e: torch.cdist(y, e).min(1).values,
        ],
    ),
}
