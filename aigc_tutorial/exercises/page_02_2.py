"""Exercises of the page on how the concepts connect."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import softplus

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "02_2_connections"


def _networks_in_play(rng: torch.Generator) -> dict[str, nn.Module]:
    networks: dict[str, nn.Module] = {
        "generator": nn.Sequential(nn.Linear(3, 4), nn.Tanh()),
        "discriminator": nn.Linear(4, 1),
        "language model": nn.Sequential(nn.Embedding(5, 6), nn.Linear(6, 5)),
        "judge of texts": nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(3, 1)),
    }
    for network in networks.values():
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=rng)
    return networks


def _loss(kind: str, networks: dict[str, nn.Module], rng: torch.Generator) -> Tensor:
    make, score, model, judge = networks.values()
    x_fake, x_real = make(torch.randn(6, 3, generator=rng)), torch.randn(6, 4, generator=rng)
    tokens = torch.randint(5, (6,), generator=rng)
    logits = model(tokens)
    drawn = torch.multinomial(logits.softmax(-1), 1, generator=rng)
    losses = {
        "generator": lambda: softplus(-score(x_fake)),
        "discriminator": lambda: softplus(-score(x_real)) + softplus(score(x_fake.detach())),
        "real images alone": lambda: softplus(-score(x_real)),
        "next token": lambda: nn.functional.cross_entropy(logits, tokens.roll(1)),
        "text": lambda: softplus(-judge(drawn)),
        "embeddings": lambda: next(model.children())(tokens).square() + 0 * x_fake.sum(),
    }
    return losses[kind]().mean()


def _losses(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for kind in ("generator", "discriminator", "next token", "text", "embeddings"):
        networks = _networks_in_play(rng)  # new ones, which hold no gradients yet
        yield _loss(kind, networks, rng), networks
    networks = _networks_in_play(rng)
    next(networks["generator"].parameters()).requires_grad_(False)  # its bias still learns
    yield _loss("generator", networks, rng), networks
    for kind in ("generator", "real images alone"):
        networks = _networks_in_play(rng)
        networks["discriminator"].requires_grad_(False)
        yield _loss(kind, networks, rng), networks


def _received(loss: Tensor, networks: dict[str, nn.Module]) -> dict[str, list[Tensor]]:
    """Gradients that arrive in each network's weights."""
    if loss.requires_grad:
        loss.backward()
    return {
        name: [p.grad for p in network.parameters() if p.grad is not None]
        for name, network in networks.items()
    }


@exercise(
    "who-learns",
    page=PAGE,
    level="warm-up",
    cases=_losses,
    hint="loss.backward() fills .grad of all weights that the loss leads to and leaves the others "
    "at None. A loss that leads to none has requires_grad False.",
    remark="This is why no arrow joins the families: a token that was drawn passes no gradient on, "
    "so a judge of texts learns and the language model does not.",
    mistakes=[
        Mistake(
            lambda loss, networks: sorted(
                name
                for name, network in networks.items()
                if any(p.requires_grad for p in network.parameters())
            ),
            "these are the networks that could learn. From this loss?",
        ),
        Mistake(
            lambda loss, networks: sorted(
                name
                for name, gradients in _received(loss, networks).items()
                if len(gradients) == len(list(networks[name].parameters()))
            ),
            "a network counts though some of its weights get nothing.",
        ),
        Mistake(
            lambda loss, networks: sorted(
                name
                for name, gradients in _received(loss, networks).items()
                if any(g.abs().sum() > 0 for g in gradients)
            ),
            "a gradient of zero is a gradient: it came that way.",
        ),
    ],
)
def who_learns(loss: Float[Tensor, ""], networks: dict[str, nn.Module]) -> list[str]:
    """Names of the networks to which the gradient of a loss leads, sorted.

    ``networks`` maps names to modules. A network counts if ``loss.backward()`` gives some of its
    weights a gradient, be it zero. A loss may lead to none.
    """
    if loss.requires_grad:
        loss.backward()
    return sorted(
        name
        for name, network in networks.items()
        if any(weight.grad is not None for weight in network.parameters())
    )


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
    """All other nodes from which arrows lead to ``node``, directly or through others, sorted.

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


def _codebooks(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n, n_codes, dim in ((40, 9, 3), (1, 5, 2), (30, 1, 4)):
        # Codes of different lengths: the largest product is then not the smallest distance.
        lengths = torch.linspace(0.2, 3, n_codes)[:, None]
        yield (
            torch.randn(n, dim, generator=rng),
            lengths * torch.randn(n_codes, dim, generator=rng),
        )
    square = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    yield torch.tensor([[1.0, 1.0], [2.0, 1.0], [1.0, 3.0]]), square  # two or four are as near


@exercise(
    "nearest-codes",
    page=PAGE,
    level="core",
    cases=_codebooks,
    hint="torch.cdist(features, codebook) has a row for each feature and a column for each code.",
    remark="Of |y − e|² only |e|² − 2 y·e depends on the code, so one product of matrices finds "
    "all nearest codes. This is how the package does it.",
    mistakes=[
        Mistake(
            lambda features, codebook: (features @ codebook.T).argmax(1),
            "this is the largest product. A long code has large products with much that is nearer "
            "to others: subtract half its squared length.",
        ),
        Mistake(
            lambda features, codebook: torch.cdist(features, codebook).argmin(0),
            "this is the nearest feature of each code. The other way round.",
        ),
        Mistake(
            lambda features, codebook: torch.cdist(features, codebook).argmax(1),
            "these are the farthest codes.",
        ),
        Mistake(
            lambda features, codebook: codebook[torch.cdist(features, codebook).argmin(1)],
            "these are the codes' vectors. Their numbers are wanted.",
        ),
        Mistake(
            lambda features, codebook: (
                len(codebook) - 1 - torch.cdist(features, codebook).flip(1).argmin(1)
            ),
            "of equally near codes take the first.",
        ),
    ],
)
def nearest_codes(
    features: Float[Tensor, "N D"], codebook: Float[Tensor, "K D"]
) -> Int64[Tensor, " N"]:
    """Number of the row of ``codebook`` (K, D) nearest to each row of ``features`` (N, D).

    In the Euclidean distance; of equally near ones the first.
    """
    return torch.cdist(features, codebook).argmin(1)
