"""GPT-2, weight for weight: the Transformer of 2019, into which the published weights fit."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import check_shape
from aigc_tutorial.config import Config
from aigc_tutorial.environment import require
from aigc_tutorial.nn.attention import CausalSelfAttention, KeyValueCache, attend
from aigc_tutorial.nn.mode import evaluation_mode
from aigc_tutorial.nn.rows import RowCache, RowMemory, linear, whole_groups


@dataclass(frozen=True)
class GPT2Config(Config):
    """Configuration of :class:`GPT2`; the defaults are the smallest published model's.

    Attributes:
        vocab_size: V, number of tokens.
        context: how many tokens the model takes at most.
        n_layers: L, blocks of attention and perceptron.
        n_heads: N, heads of attention in a block.
        width: D, features of a token.
        mlp_width: hidden units of the perceptron; None for 4 D.
        layer_norm_eps: what layer normalisation adds to the variance.
    """

    vocab_size: int = 50257
    context: int = 1024
    n_layers: int = 12
    n_heads: int = 12
    width: int = 768
    mlp_width: int | None = None
    layer_norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("vocab_size", "context", "n_layers", "n_heads", "width", at_least=1)
        self.require("mlp_width", at_least=1)
        self.require("layer_norm_eps", above=0)


Weights = tuple[Tensor, ...]
"""A block's weights and biases, see :meth:`GPT2Block.plain_weights`."""


class GPT2State:
    """What a GPT-2 keeps of the tokens that it has read.

    Attributes:
        cache: keys and values.
        weights: each block's, for :meth:`GPT2Block.read_one`; None where a block must be called.
    """

    def __init__(self, cache: KeyValueCache, weights: list[Weights | None]) -> None:
        self.cache = cache
        self.weights = weights


class GPT2Rows(RowMemory):
    """What a GPT-2 keeps of sequences of unequal length, a row for each.

    Attributes:
        weights: each block's.
    """

    def __init__(self, cache: RowCache, weights: list[Weights]) -> None:
        super().__init__(cache)
        self.weights = weights


class GPT2(AutoregressiveModel):
    """The architecture of GPT-2 (Radford et al., 2019), without dropout.

    Against :class:`aigc_tutorial.ar.models.transformer.Transformer` it has learned absolute
    positions, layer normalisation with gain and bias, biases in every linear map, the tanh form
    of GELU (Hendrycks & Gimpel, 2016, arXiv 1606.08415), and a head that shares the embedding's
    matrix.
    """

    config_class = GPT2Config
    config: GPT2Config

    def __init__(self, config: GPT2Config = GPT2Config()) -> None:
        super().__init__(config)
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(GPT2Block(config) for _ in range(config.n_layers))
        self.final_norm = nn.LayerNorm(config.width, config.layer_norm_eps)
        self._initialise()

    def _initialise(self) -> None:
        """Small weights, smaller where each of 2 L maps adds to the residual stream."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                adds = name.endswith(("attention.output.weight", "down.weight"))
                scale = (2 * self.config.n_layers) ** -0.5 if adds else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    @property
    def context(self) -> int:
        """How many tokens the model takes: as many as there are learned positions."""
        return self.config.context

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """None besides the embeddings, one of which is the head too."""
        return ()

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each, all positions in one pass."""
        return self.logits_of(self.features(tokens))

    def features(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What the head reads of each token: the last block's output, normalised.

        A head of another task can read it too (:class:`aigc_tutorial.adaptation.Classifier`).
        """
        check_shape(tokens, self.context)
        return self._features(tokens)

    def attention_mask(self, n_queries: int, n_keys: int) -> Bool[Tensor, "K T"] | None:
        """Which tokens each query sees; see ``Transformer.attention_mask``."""
        return None

    def initial_state(self, batch_size: int) -> GPT2State:
        """An empty cache, and the weights that single tokens are read with."""
        config, weight = self.config, self.token_embedding.weight
        cache = KeyValueCache.empty(
            config.n_layers, batch_size, config.n_heads, config.context, config.width, like=weight
        )
        return GPT2State(cache, [block.plain_weights() for block in self._typed_blocks()])

    @torch.no_grad()
    def advance(
        self, tokens: Int64[Tensor, "B K"], state: GPT2State
    ) -> tuple[Float[Tensor, "B K V"], GPT2State]:
        """Read K further tokens, without gradients; the state is changed in place.

        Raises:
            ValueError: if the context is too short for them.
        """
        start = state.cache.length
        check_shape(tokens)
        state.cache.reserve(tokens)
        return self.logits_of(self._features(tokens, start, state)), state

    def select_rows(self, state: GPT2State, rows: Int64[Tensor, " R"]) -> GPT2State:
        """A new state whose batch consists of the given rows."""
        return GPT2State(state.cache.select_rows(rows), state.weights)

    def truncate(self, state: GPT2State, length: int) -> GPT2State:
        """The state after the first ``length`` tokens, in the same memory."""
        return GPT2State(state.cache.truncate(length), state.weights)

    def initial_rows(self, n_rows: int) -> Any:
        """Memory for ``n_rows`` sequences of unequal length."""
        weights = [block.plain_weights() for block in self._typed_blocks()]
        if type(self) is not GPT2 or not all(weights):
            return super().initial_rows(n_rows)  # a model that was changed is called as it is
        config, weight = self.config, self.token_embedding.weight
        sizes = (config.n_layers, whole_groups(n_rows), config.n_heads, config.context)
        return GPT2Rows(RowCache(*sizes, config.width, like=weight), cast("list[Weights]", weights))

    def read_rows(
        self, tokens: Int64[Tensor, " R"], rows: Any, positions: Int64[Tensor, " R"]
    ) -> Float[Tensor, "R V"]:
        """The logits after one further token of each row."""
        x = self.token_embedding(tokens) + self.position_embedding.weight[positions]
        for layer, (block, weights) in enumerate(
            zip(self._typed_blocks(), rows.weights, strict=True)
        ):
            x = block.read_rows(x, weights, rows.cache, layer)
        return linear(self.final_norm(x), self.token_embedding.weight)

    def _features(self, tokens: Tensor, start: int = 0, state: GPT2State | None = None) -> Tensor:
        stop = start + tokens.shape[1]
        mask = self.attention_mask(stop - start, stop)
        x = self.token_embedding(tokens) + self.position_embedding.weight[start:stop]
        for layer, block in enumerate(self._typed_blocks()):
            if state is None:
                x = block(x, mask)
            elif mask is None and stop - start == 1 and (weights := state.weights[layer]):
                x = block.read_one(x, weights, state.cache, layer)
            else:
                x = block(x, mask, state.cache, layer)
        return self.final_norm(x)

    def logits_of(self, features: Float[Tensor, "B K D"]) -> Float[Tensor, "B K V"]:
        """What the head, which is the embedding's matrix, makes of :meth:`features`."""
        return F.linear(features, self.token_embedding.weight)

    def _typed_blocks(self) -> "Iterable[GPT2Block]":
        return cast("Iterable[GPT2Block]", self.blocks)

    @classmethod
    def from_huggingface(cls, model: Any) -> "GPT2":
        """Take over the weights of a GPT-2 of the ``transformers`` library.

        The tokens are those of the library's own tokenizer:
        ``transformers.AutoTokenizer.from_pretrained("gpt2")(text)["input_ids"]``.

        Args:
            model: a ``transformers.GPT2LMHeadModel``, or the name or folder of one, such as "gpt2".

        Returns:
            A model of our own, in evaluation mode, with a copy of the weights.

        Raises:
            ValueError: if the model is of a variant that computes something else: another
                activation, a head of its own, adapters, or whatever else makes its logits differ.
        """
        if isinstance(model, str | Path):
            model = require("transformers", extra="apps").GPT2LMHeadModel.from_pretrained(model)
        _check_variant(model)
        theirs = model.config
        ours = cls(
            GPT2Config(
                vocab_size=theirs.vocab_size,
                context=theirs.n_positions,
                n_layers=theirs.n_layer,
                n_heads=theirs.n_head,
                width=theirs.n_embd,
                mlp_width=theirs.n_inner,
                layer_norm_eps=theirs.layer_norm_epsilon,
            )
        )
        weights = {
            _our_name(name): tensor.T if name.endswith(_TRANSPOSED) else tensor
            for name, tensor in model.transformer.state_dict().items()
        }
        try:
            ours.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                "cannot load this GPT-2: its weights are not those of the plain architecture "
                f"(merge adapters first, and leave heads unpruned): {error}"
            ) from error
        ours.eval()
        _check_same_logits(ours, model)
        return ours


class GPT2Block(nn.Module):
    """Attention and perceptron, each fed with normalised features and added to them."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        width, eps = config.width, config.layer_norm_eps
        mlp_width = config.mlp_width or 4 * width
        self.attention_norm = nn.LayerNorm(width, eps)
        self.attention = CausalSelfAttention(width, config.n_heads, bias=True, qk_norm=False)
        self.mlp_norm = nn.LayerNorm(width, eps)
        self.up = nn.Linear(width, mlp_width)
        self.down = nn.Linear(mlp_width, width)
        self.n_heads, self.eps = config.n_heads, eps

    def forward(
        self,
        x: Float[Tensor, "B K D"],
        mask: Bool[Tensor, "K T"] | None = None,
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B K D"]:
        """Add to ``x`` what attention, then the perceptron, finds."""
        x = x + self.attention(self.attention_norm(x), mask, None, cache, layer)
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))

    def read_one(
        self, x: Float[Tensor, "B 1 D"], weights: Weights, cache: KeyValueCache, layer: int
    ) -> Float[Tensor, "B 1 D"]:
        """What :meth:`forward` computes, for one new token and with :meth:`plain_weights`.

        A token is so little to compute that a small model would spend a quarter of the time on
        calling modules and finding their parameters. Here nothing is left to be found.
        """
        gain_1, bias_1, w_heads, b_heads, w_output, b_output = weights[:6]
        gain_2, bias_2, w_up, b_up, w_down, b_down = weights[6:]
        batch, _, width = x.shape
        h = F.linear(F.layer_norm(x, (width,), gain_1, bias_1, self.eps), w_heads, b_heads)
        queries, keys, values = h.view(batch, 3 * self.n_heads, 1, -1).chunk(3, dim=1)
        keys, values = cache.extend(layer, keys, values)
        h = F.scaled_dot_product_attention(queries, keys, values).reshape(batch, 1, width)
        x = x + F.linear(h, w_output, b_output)
        h = F.linear(F.layer_norm(x, (width,), gain_2, bias_2, self.eps), w_up, b_up)
        return x + F.linear(F.gelu(h, approximate="tanh"), w_down, b_down)

    def read_rows(
        self, x: Float[Tensor, "R D"], weights: Weights, cache: RowCache, layer: int
    ) -> Float[Tensor, "R D"]:
        """What :meth:`read_one` computes, for one new token in each of the rows of a cache."""
        gain_1, bias_1, w_heads, b_heads, w_output, b_output = weights[:6]
        gain_2, bias_2, w_up, b_up, w_down, b_down = weights[6:]
        n_rows, width = x.shape
        h = linear(F.layer_norm(x, (width,), gain_1, bias_1, self.eps), w_heads, b_heads)
        queries, keys, values = h.view(n_rows, 3 * self.n_heads, -1).chunk(3, dim=1)
        found = attend(queries[:, :, None], *cache.extend(layer, keys, values))
        x = x + linear(found.view(x.shape), w_output, b_output)
        h = linear(F.layer_norm(x, (width,), gain_2, bias_2, self.eps), w_up, b_up)
        return x + linear(F.gelu(h, approximate="tanh"), w_down, b_down)

    def plain_weights(self) -> Weights | None:
        """All weights and biases in the order of their use, each found once.

        None if there is more to the block than these: a layer was replaced, by an adapter for
        example, or somebody listens to one.
        """
        attention, modules = self.attention, list(self.modules())
        if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
            return None
        layers: list[nn.Linear | nn.LayerNorm] = [
            *(self.attention_norm, attention.query_key_value, attention.output),
            *(self.mlp_norm, self.up, self.down),
        ]
        if any(type(layer) not in (nn.Linear, nn.LayerNorm) for layer in layers):
            return None
        return tuple(tensor for layer in layers for tensor in (layer.weight, layer.bias))


# The published model computes x W with W (in, out); torch's linear layers keep (out, in).
_TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
_NAMES = {
    "wte.": "token_embedding.",
    "wpe.": "position_embedding.",
    "h.": "blocks.",
    "ln_f.": "final_norm.",
    ".ln_1.": ".attention_norm.",
    ".ln_2.": ".mlp_norm.",
    ".attn.c_attn.": ".attention.query_key_value.",
    ".attn.c_proj.": ".attention.output.",
    ".mlp.c_fc.": ".up.",
    ".mlp.c_proj.": ".down.",
}


def _our_name(name: str) -> str:
    for theirs, ours in _NAMES.items():
        if theirs.startswith("."):
            name = name.replace(theirs, ours)
        elif name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
    return name


def _check_variant(model: Any) -> None:
    """Refuse what would load without complaint and then compute something else."""
    head = getattr(model, "lm_head", None)
    if head is None or not hasattr(model, "transformer"):
        raise ValueError(
            f"cannot load a {type(model).__name__}: expected a transformers.GPT2LMHeadModel, "
            "which predicts the next token"
        )
    children = {name for name, _ in model.named_children()}
    if "transformer" in children and (others := sorted(children - {"transformer", "lm_head"})):
        raise ValueError(
            f"cannot load a {type(model).__name__}: besides the next token it has "
            f"{', '.join(others)}, which would be lost; give a transformers.GPT2LMHeadModel"
        )
    for setting, accepted in {
        "model_type": ("gpt2",),
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
        "tie_word_embeddings": (True,),
    }.items():
        if (value := getattr(model.config, setting)) not in accepted:
            raise ValueError(
                f"cannot load a GPT-2 with {setting}={value!r}; only {accepted[0]!r} is supported"
            )
    if getattr(head, "bias", None) is not None:
        raise ValueError("cannot load a GPT-2 whose head has a bias; ours has none")
    if not torch.equal(head.weight, model.transformer.wte.weight):
        raise ValueError(
            "cannot load a GPT-2 whose head differs from its embedding: ours shares one matrix; "
            "if the head was trained apart, it would be lost"
        )


@torch.no_grad()
def _check_same_logits(ours: GPT2, theirs: Any) -> None:
    """Refuse whatever else makes the model compute something else: the last of the checks."""
    length = min(8, ours.context)
    tokens = torch.arange(length).remainder(ours.vocab_size)[None]
    with evaluation_mode(theirs):
        expected = theirs(tokens.to(theirs.device)).logits.cpu().float()
    logits = ours(tokens)
    # Half precision keeps two or three digits.
    tolerance = 1e-3 if theirs.dtype in (torch.float32, torch.float64) else 5e-2
    difference = (logits - expected).abs().max()
    if not difference <= tolerance * expected.abs().max():
        raise ValueError(
            "cannot load this GPT-2: with its weights ours computes other logits, "
            f"{float(difference):.3g} off; something in it is not the published architecture"
        )
