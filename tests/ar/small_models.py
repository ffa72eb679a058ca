"""Small models with random weights, one of every kind, by name."""

from collections.abc import Callable

from aigc_tutorial.ar import (
    GPT2,
    AutoregressiveModel,
    GPT2Config,
    NGramConfig,
    NGramModel,
    RecurrentConfig,
    RecurrentModel,
    Transformer,
    TransformerConfig,
    WaveNet,
    WaveNetConfig,
    WindowConfig,
    WindowModel,
)
from tests.ar.checks import random_tokens, randomize

V = 7
CONTEXT = 6


def _ngram() -> NGramModel:
    model = NGramModel(NGramConfig(V, order=3))
    return model.fit(random_tokens(model, batch=20, time=10))


def _transformer(token_shift: int, *, tie_embeddings: bool) -> Transformer:
    config = TransformerConfig(
        V,
        context=CONTEXT,
        n_layers=2,
        n_heads=2,
        width=8,
        token_shift=token_shift,
        tie_embeddings=tie_embeddings,
    )
    return randomize(Transformer(config))


def _recurrent(cell: str) -> RecurrentModel:
    return randomize(RecurrentModel(RecurrentConfig(V, cell, 4, 6)))  # type: ignore[arg-type]


_MAKERS: dict[str, Callable[[], AutoregressiveModel]] = {
    "n-gram": _ngram,
    "window": lambda: randomize(WindowModel(WindowConfig(V, 3, embedding_dim=4, hidden_dim=6))),
    "rnn": lambda: _recurrent("rnn"),
    "gru": lambda: _recurrent("gru"),
    "lstm": lambda: _recurrent("lstm"),
    "wavenet": lambda: randomize(WaveNet(WaveNetConfig(V, width=4, n_layers=2))),
    "transformer": lambda: _transformer(0, tie_embeddings=False),
    "transformer, tied, shifted": lambda: _transformer(2, tie_embeddings=True),
    "gpt-2": lambda: randomize(GPT2(GPT2Config(V, CONTEXT, n_layers=2, n_heads=2, width=8))),
}

NAMES = list(_MAKERS)
WITH_CONTEXT = [name for name in NAMES if name.startswith(("transformer", "gpt-2"))]
CANNOT_GO_BACK = ["rnn", "gru", "lstm", "wavenet"]  # the state lets go of what it was made of


def make(name: str) -> AutoregressiveModel:
    """The model of this name, in evaluation mode; always the same."""
    return _MAKERS[name]()
