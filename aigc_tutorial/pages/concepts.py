"""How the book's concepts hang together: two diagrams as data, drawn and listed from it.

Every edge names the function that realises it and the page that runs it, so that tests can hold the
diagrams to what there is. An arrow of a diagram is a claim; here each can be followed.
"""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import takewhile
from types import ModuleType
from typing import Any, Literal

from aigc_tutorial.pages.display import Shown, show
from aigc_tutorial.pages.source import listing

PACKAGE = "aigc_tutorial"
KEYWORDS = frozenset({
    "call", "class", "classDef", "click", "default", "direction", "end", "flowchart", "graph",
    "href", "linkStyle", "style", "subgraph",
})  # fmt: skip
"""Words of Mermaid's own, which no node can have for a key."""


@dataclass(frozen=True)
class Edge:
    """An arrow.

    Attributes:
        source: key of the node where it begins.
        target: key of the node where it ends.
        says: what goes along it, in a few words.
        function: what realises it: path of a function or class, without the package's name.
        page: page that runs it, a file name without suffix.
        kind: "data" is drawn solid; "gradient", what changes weights, dashed.
    """

    source: str
    target: str
    says: str
    function: str
    page: str
    kind: Literal["data", "gradient"] = "data"

    @property
    def ends(self) -> tuple[str, str]:
        """Both nodes, by which an edge is known."""
        return self.source, self.target


@dataclass(frozen=True)
class ConceptMap:
    """A diagram.

    Attributes:
        alt: what it shows, in words, for those who do not see it.
        nodes: the text of each node by its key, a word of letters.
        edges: the arrows; no two with the same ends.
        groups: nodes that stand in a common frame, by the frame's title.
        parts: nodes that a phone, too narrow for the whole, shows in a diagram of their own; a node
            may stand in several, an arrow stands where both its ends do.
    """

    alt: str
    nodes: Mapping[str, str]
    edges: tuple[Edge, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Check that edges have their nodes, and nodes an edge."""
        ends = [end for edge in self.edges for end in edge.ends]
        if unknown := sorted(set(ends) - set(self.nodes)):
            raise ValueError(f"edges end at nodes that are not there: {', '.join(unknown)}")
        if taken := sorted(KEYWORDS & set(self.nodes)):
            raise ValueError(f"Mermaid keeps these words for itself: {', '.join(taken)}")
        if alone := sorted(set(self.nodes) - set(ends)):
            raise ValueError(f"nodes without an edge: {', '.join(alone)}")
        if len({edge.ends for edge in self.edges}) < len(self.edges):
            raise ValueError("two edges have the same ends")
        lost = [e.ends for e in self.edges if not any(set(e.ends) <= set(p) for p in self.parts)]
        if self.parts and lost:
            raise ValueError(f"arrows that stand in no part: {', '.join(map(' to '.join, lost))}")

    def mermaid(self) -> str:
        """The diagram in Mermaid's language, every text in quotes."""
        framed = {key for keys in self.groups.values() for key in keys}
        lines = ["flowchart TB"]
        for number, (title, keys) in enumerate(self.groups.items()):
            lines.append(f"  subgraph group{number}[{quote(title)}]")
            lines += [f"    {key}[{quote(self.nodes[key])}]" for key in keys]
            lines.append("  end")
        lines += [f"  {k}[{quote(text)}]" for k, text in self.nodes.items() if k not in framed]
        arrows = {"data": ("--", "-->"), "gradient": ("-.", ".->")}
        for edge in self.edges:
            tail, head = arrows[edge.kind]
            lines.append(f"  {edge.source} {tail} {quote(edge.says)} {head} {edge.target}")
        if self.parts:  # a comment to Mermaid, read by `make diagrams`
            lines.append(f"  %% phone: {' | '.join(map(' '.join, self.parts))}")
        return "\n".join(lines)

    def show(self) -> None:
        """Draw the diagram: in the book and in Jupyter as a picture, in a terminal as its source.

        The description stands in Mermaid's front matter, where the book's directive looks for it
        and Jupyter's Mermaid passes over it.
        """
        code = self.mermaid()
        markdown = f'```mermaid\n---\nalt: "{self.alt}"\n---\n{code}\n```'
        show(Shown(plain=code, markdown=markdown))

    def show_edges(self, outcomes: Mapping[tuple[str, str], str] | None = None) -> None:
        """Show a table of the edges with links to the code and the page that realise each.

        Args:
            outcomes: what came out when an edge was run, by its ends; a column more.

        Raises:
            ValueError: if there are outcomes, but not of exactly the diagram's edges.
        """
        if outcomes is not None and set(outcomes) != {edge.ends for edge in self.edges}:
            raise ValueError("give an outcome for every edge, and for nothing else")
        heads = ["from", "to", "what goes along", "code", "page"]
        rows = [[*self._cells(edge)] for edge in self.edges]
        if outcomes is not None:
            heads.append("it ran")
            rows = [[*row, outcomes[edge.ends]] for row, edge in zip(rows, self.edges, strict=True)]
        lines = [heads, ["---"] * len(heads), *rows]
        plain = "\n".join(
            f"{edge.source} -> {edge.target}: {edge.says} ({edge.function}, page {edge.page})"
            for edge in self.edges
        )
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        show(Shown(plain=plain, markdown=table))

    def _cells(self, edge: Edge) -> tuple[str, ...]:
        function = resolve(edge.function)
        code = listing(function).linked(f"`{function.__qualname__}`")
        page = f"[{page_number(edge.page)}]({edge.page}.ipynb)"
        return self.nodes[edge.source], self.nodes[edge.target], edge.says, code, page


def page_number(page: str) -> str:
    """Number of a page's section, from its file name.

    >>> page_number("03_2_2_ar_steps")
    '3.2.2'
    """
    return ".".join(str(int(part)) for part in takewhile(str.isdecimal, page.split("_")))


def quote(text: str) -> str:
    """A text for Mermaid: in quotes, inside which brackets are only characters.

    >>> print(quote('G(z), "fake"'))
    "G(z), #quot;fake#quot;"
    """
    return '"' + text.replace('"', "#quot;") + '"'


def unquoted_brackets(source: str) -> list[str]:
    """Texts of nodes at which Mermaid's parser gives up: brackets inside brackets, and no quotes.

    >>> unquoted_brackets('A[a network (GAN)] --> B["a network (AR)"] --> C[text]')
    ['a network (GAN)']
    """
    return [text for text in re.findall(r'\w\[(?!")([^\]]*)\]', source) if re.search(r"[()]", text)]


def resolve(function: str) -> Any:
    """The function or class that an edge names.

    Raises:
        AttributeError: if there is none of this name.
    """
    names = function.split(".")
    for length in range(len(names), 0, -1):
        path = ".".join([PACKAGE, *names[:length]])
        try:
            module: ModuleType = importlib.import_module(path)
        except ModuleNotFoundError as error:
            if not path.startswith(error.name or ""):
                raise
            continue
        return reduce(getattr, names[length:], module)
    raise AttributeError(f"{PACKAGE} has no module {names[0]!r}")


CONCEPTS = ConceptMap(
    alt="Raw data goes three ways. Targets cut from it make self-supervised learning; with the "
    "next token as the target that is generative pre-training, which gives an autoregressive model "
    "its first weights. The autoregressive model also learns from the likelihood of the data "
    "directly. Real examples go to the discriminator, which gets the generator's samples too and "
    "sends it a gradient. Attention is a part of the autoregressive model. The optimizer moves the "
    "weights of the autoregressive model, of the generator and of the discriminator. Both the "
    "generator and the autoregressive model make new samples. No arrow joins the two families.",
    nodes={
        "data": "raw data",
        "targets": "self-supervised learning",
        "pretraining": "generative pre-training",
        "attention": "attention",
        "ar": "autoregressive model (AR)",
        "optimizer": "optimizer",
        "generator": "generator G",
        "discriminator": "discriminator D",
        "samples": "new samples",
    },
    groups={"generative adversarial network (GAN)": ("generator", "discriminator")},
    parts=(
        ("data", "targets", "pretraining", "attention", "ar", "optimizer", "samples"),
        ("data", "optimizer", "generator", "discriminator", "samples"),
    ),
    edges=(
        Edge("data", "targets", "a target cut from it", "data.synthetic.pretext.quarter_turns",
             "02_1_concepts"),
        Edge("targets", "pretraining", "the next token is the target",
             "ar.base.AutoregressiveModel.nll", "02_1_concepts"),
        Edge("pretraining", "ar", "first weights", "ar.trainer.train", "02_3_pipeline"),
        Edge("data", "ar", "likelihood", "evaluation.likelihood.sequence_likelihood",
             "02_1_concepts"),
        Edge("attention", "ar", "reads the past", "nn.attention.attend", "02_1_concepts"),
        Edge("data", "discriminator", "real examples", "gan.losses.minimax_discriminator_loss",
             "02_1_concepts"),
        Edge("generator", "discriminator", "G(z)", "gan.mlp.MLPGenerator", "04_3_mnist_case"),
        Edge("discriminator", "generator", "gradient", "gan.losses.non_saturating_generator_loss",
             "02_1_concepts", "gradient"),
        Edge("optimizer", "ar", "moves weights", "optim.formulas.RMSprop", "02_1_concepts",
             "gradient"),
        Edge("optimizer", "generator", "moves weights", "optim.formulas.Adam",
             "02_1_concepts", "gradient"),
        Edge("optimizer", "discriminator", "moves weights", "optim.formulas.Adam",
             "02_1_concepts", "gradient"),
        Edge("generator", "samples", "in one pass", "gan.base.Generator.sample",
             "04_3_mnist_case"),
        Edge("ar", "samples", "token by token", "ar.generation.stream.generate", "02_3_pipeline"),
    ),
)  # fmt: skip
"""The six concepts of the source document's section 2, and what leads from one to another."""

PIPELINE = ConceptMap(
    alt="A large text is cut into tokens, and a model with random weights is pre-trained on them: "
    "that makes a pre-trained language model, which is an autoregressive model. Fine-tuning goes "
    "on from its weights with a small text of one style, and makes a fine-tuned model, which "
    "writes new text token by token. Apart from that, a generator and a discriminator with random "
    "weights play against each other over images, and the generator then makes new images.",
    nodes={
        "text": "large text, no labels",
        "tokens": "tokens",
        "random": "model with random weights",
        "pretraining": "pre-training",
        "model": "pre-trained language model (AR)",
        "bulletins": "small text of one style",
        "finetuning": "fine-tuning",
        "tuned": "fine-tuned model (AR)",
        "new_text": "new text",
        "images": "images",
        "networks": "G and D with random weights",
        "game": "adversarial training",
        "generator": "trained generator (GAN)",
        "new_images": "new images",
    },
    edges=(
        Edge("text", "tokens", "cut", "tokenizers.byte_pairs.BPETokenizer", "02_3_pipeline"),
        Edge("tokens", "pretraining", "windows", "data.batches.tokens.TokenWindows",
             "02_3_pipeline"),
        Edge("random", "pretraining", "starts here", "ar.models.transformer.Transformer",
             "02_3_pipeline"),
        Edge("pretraining", "model", "next-token loss", "ar.trainer.train", "02_3_pipeline"),
        Edge("model", "finetuning", "starts here", "nn.pretrained.Pretrained.from_pretrained",
             "02_3_pipeline"),
        Edge("bulletins", "finetuning", "the same loss",
             "data.synthetic.bulletins.weather_bulletins", "02_3_pipeline"),
        Edge("finetuning", "tuned", "fewer steps", "ar.trainer.train", "02_3_pipeline"),
        Edge("tuned", "new_text", "token by token", "ar.generation.stream.stream_text",
             "02_3_pipeline"),
        Edge("images", "game", "real examples", "data.images.mnist", "04_3_mnist_case"),
        Edge("networks", "game", "start here", "gan.mlp.MLPGenerator", "04_3_mnist_case"),
        Edge("game", "generator", "two losses", "gan.trainer.train", "04_3_mnist_case"),
        Edge("generator", "new_images", "in one pass", "gan.base.Generator.sample",
             "04_3_mnist_case"),
    ),
)  # fmt: skip
"""From data to new content: the way of a language model, and the separate one of a GAN."""
