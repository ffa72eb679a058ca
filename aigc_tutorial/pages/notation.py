"""The symbols of the book: what each means, its name in the code, and its shape.

The table is data, and it is checked by running the models: :func:`check_notation` compares the
shapes that it states with tensors. A table that nobody checks is wrong after the second change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Shaped, jaxtyped
from torch import Tensor

from aigc_tutorial.pages.display import Shown, show

Family = Literal["GAN", "AR"]


@dataclass(frozen=True)
class Symbol:
    """One line of the table.

    Attributes:
        family: to which of the two families it belongs.
        formula: as the book writes it, LaTeX without dollar signs.
        document: as the source document writes it, in LaTeX; empty if it has no sign for it.
        code: the variable or expression.
        shape: its dimensions, ``"B T+1"``; empty for a single number.
        meaning: in a few words.
    """

    family: Family
    formula: str
    document: str
    code: str
    shape: str
    meaning: str


LETTERS: dict[Family, dict[str, str]] = {
    "GAN": {
        "B": "images in a batch",
        "Z": "components of a latent vector",
        "C": "channels of an image",
        "H": "its height",
        "W": "its width",
    },
    "AR": {
        "B": "sequences in a batch",
        "T": "tokens predicted in a sequence, which therefore has T + 1",
        "V": "different tokens, the vocabulary",
        "E": "components of an embedding",
        "H": "hidden units",
        "n": "tokens in a window",
    },
}
"""What the letters in shapes stand for."""


def _gan(formula: str, document: str, code: str, shape: str, meaning: str) -> Symbol:
    return Symbol("GAN", formula, document, code, shape, meaning)


def _ar(formula: str, document: str, code: str, shape: str, meaning: str) -> Symbol:
    return Symbol("AR", formula, document, code, shape, meaning)


SYMBOLS: tuple[Symbol, ...] = (
    _gan("z", "z", "z", "B Z", "latent vectors, drawn from N(0, I)"),
    _gan("x", "x", "x_real", "B C H W", "real images, in [−1, 1]"),
    _gan("G(z)", "G(z)", "x_fake", "B C H W", "generated images"),
    _gan("a(x)", "", "logits_real", "B", "logits of real images"),
    _gan("a(G(z))", "", "logits_fake", "B", "logits of generated images"),
    _gan(r"D = \sigma(a)", "D", "logits_real.sigmoid()", "B", "probability of being real"),
    _gan("f(x)", "", "critic(x_real)", "B", "score of a critic: a logit that no σ follows"),
    _gan("L_D", "L_D", "loss_discriminator", "", "what the discriminator minimises"),
    _gan("L_G", "L_G", "loss_generator", "", "what the generator minimises"),
    _ar("x_{0:T}", "", "tokens", "B T+1", "sequences of token numbers, the given one first"),
    _ar("x_t", "x_t", "tokens[:, t]", "B", "token t"),
    _ar("x_{<t}", "x_{<t}", "tokens[:, :t]", "B t", "all tokens before it"),
    _ar("x_0", "x_0", "tokens[:, 0]", "B", "the given first token, of a prompt or bos_id"),
    _ar("e(k)", "", "embedding.weight", "V E", "embeddings, a row for each token"),
    _ar("C", "C", "hidden.weight", "H n*E", "from the window to the hidden layer"),
    _ar("W", "C", "rnn.weight_ih_l0", "H E", "from an embedding to the state"),
    _ar("U", "C", "rnn.weight_hh_l0", "H H", "from the state before to the state"),
    _ar("b", "b", "rnn.bias_ih_l0 + rnn.bias_hh_l0", "H", "bias of the hidden layer"),
    _ar("h_{T+1}", "", "state", "1 B H", "state of the RNN after the last token, by layers"),
    _ar("A", "A", "output.weight", "V H", "from the hidden layer to the logits"),
    _ar("c", "", "output.bias", "V", "bias of the logits"),
    _ar("a_{t+1}", "", "model(tokens)", "B T+1 V", "logits of the token after each"),
    _ar(
        r"p(x_{t+1} = k \mid x_{\le t})", r"p(x_t \mid x_{<t})", "probs", "B T+1 V",
        "their softmax: entry k of a row that sums to 1",
    ),
    _ar("m_t", "", "mask", "B T+1", "True at a token, False at padding"),
    _ar(r"-\log p(x_t \mid x_{<t})", "", "model.nll(tokens, mask)", "B T", "surprise, in nats"),
    _ar("L", "L", "nll_per_token", "", "loss: mean surprise at a real token"),
)  # fmt: skip
"""All symbols, in the order in which the pages introduce them."""


def symbols(family: Family) -> tuple[Symbol, ...]:
    """The symbols of one family."""
    return tuple(symbol for symbol in SYMBOLS if symbol.family == family)


def check_notation(family: Family, values: Mapping[str, Tensor], **sizes: int) -> None:
    """Hold the table against tensors that a model made.

    Args:
        family: whose symbols are compared.
        values: a tensor for each symbol, by its name in the code.
        **sizes: what the letters stand for here, such as ``B=4, Z=64``. Different letters should
            have different sizes, or a confusion of two would not be seen.

    Raises:
        ValueError: if a symbol has no tensor, or a tensor no symbol.
        AssertionError: if a shape is not the one in the table.
    """
    listed = {symbol.code: symbol for symbol in symbols(family)}
    if missing := sorted(set(listed) - set(values)):
        raise ValueError(f"there is no tensor of {', '.join(missing)}")
    if unknown := sorted(set(values) - set(listed)):
        raise ValueError(f"the table has no symbol whose code is {', '.join(unknown)}")
    with jaxtyped("context"):  # type: ignore[call-overload,operator,attr-defined]
        for letter, size in sizes.items():
            annotation: Any = Shaped[Tensor, letter]
            isinstance(torch.empty(size), annotation)  # binds the letter to its size
        for code, symbol in listed.items():
            annotation = Shaped[Tensor, symbol.shape]
            if not isinstance(values[code], annotation):
                raise AssertionError(
                    f"{code} has shape {tuple(values[code].shape)}, the table says "
                    f"{shape_text(symbol)} with {', '.join(f'{k} = {v}' for k, v in sizes.items())}"
                )
    text = f"{len(listed)} tensors have the shapes in the table of the {family} family"
    show(Shown(plain=f"✓ {text}", markdown=f"✓ {text}"))


def shape_text(symbol: Symbol) -> str:
    """Shape as a reader sees it: ``(B, T + 1)``; ``scalar`` for a single number.

    >>> shape_text(Symbol("AR", "", "", "", "H n*E", "")), shape_text(Symbol("AR", *[""] * 5))
    ('(H, n·E)', 'scalar')
    """
    parts = [part.replace("*", "·").replace("+", " + ") for part in symbol.shape.split()]
    if not parts:
        return "scalar"
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def notation_table(family: Family) -> None:
    """Show the symbols of one family and what the letters in their shapes stand for."""
    rows = symbols(family)
    width = max(len(symbol.code) for symbol in rows)
    plain = "\n".join(f"{s.code:{width}}  {shape_text(s):12}  {s.meaning}" for s in rows)
    head = "| here | in the document | in the code | shape | meaning |\n|:--|:--|:--|:--|:--|\n"
    body = "\n".join(
        f"| ${s.formula}$ | {f'${s.document}$' if s.document else '–'} | `{s.code}` "
        f"| {shape_text(s)} | {s.meaning} |"
        for s in rows
    )
    letters = ", ".join(f"{letter} {meaning}" for letter, meaning in LETTERS[family].items())
    show(Shown(plain=f"{plain}\n{letters}", markdown=f"{head}{body}\n\n{letters}."))
