"""Which tokens a prediction depends on, by differentiation: the test that finds a leaking mask."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import as_tokens
from aigc_tutorial.integers import IntegersLike, as_count
from aigc_tutorial.nn import evaluation_mode, gradients_on


@gradients_on()
def influence(
    model: AutoregressiveModel, tokens: Int64[Tensor, "B T"] | IntegersLike, *, seed: int = 0
) -> Float[Tensor, "T T"]:
    r"""How strongly the logits after token t depend on token s: row t, column s.

    .. math:: I_{ts} = \max_{b, d} \left| \frac{\partial\, w \cdot a_t^{(b)}}
                                              {\partial\, e_{s,d}^{(b)}} \right|

    with the logits :math:`a_t \in \mathbb{R}^V`, a random direction w (a plain sum could hide
    derivatives that cancel), and the embedding :math:`e_s` of token s. In a causal model everything
    above the diagonal is zero: not small, but zero. A leak of any size is found, whatever the loss
    says, unless a weight on its way is exactly 0. Heads and output projections often begin at 0, so
    give a fresh model random weights before the test, or train it a little.

    Args:
        model: one that embeds its tokens with an ``nn.Embedding``. It is put into evaluation mode.
        tokens: any sequences, in a tensor, an array or lists; more of them make it less likely
            that a dependence is missed.
        seed: of the direction.

    Raises:
        ValueError: if the model does not take the tokens, if no embedding was given them, or if
            the logits depend on no token at all: nothing could be found then, a leak or not.
    """
    tokens = as_tokens(tokens, model.vocab_size, model.context).to(model.device)
    with evaluation_mode(model):
        logits, embeddings = _forward_with_embeddings(model, tokens)
        rng = torch.Generator().manual_seed(as_count(seed, "seed", at_least=0))
        direction = torch.randn(logits.shape[-1], generator=rng, dtype=torch.float32)
        scores = logits @ direction.to(logits)
        rows = []
        for t in range(tokens.shape[1]):
            gradients = torch.autograd.grad(
                scores[:, t].sum(),
                embeddings,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            rows.append(torch.stack([g.abs().amax(dim=(0, 2)) for g in gradients]).amax(dim=0))
    found = torch.stack(rows)
    if not found.any():
        raise ValueError(
            "the logits depend on no token: weights on the way are 0, as in a fresh model, and "
            "hide a leak as well; give it random weights first, or train it a little"
        )
    return found


def _forward_with_embeddings(
    model: AutoregressiveModel, tokens: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Logits, and the outputs of all embeddings that were given exactly these tokens."""
    outputs: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if inputs[0].shape != tokens.shape or not torch.equal(inputs[0], tokens):
            return output
        # A leaf: derivatives are wanted by this use of the embedding, also of a frozen model.
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    handles = [
        module.register_forward_hook(record)
        for module in model.modules()
        if isinstance(module, nn.Embedding)
    ]
    try:
        logits = model(tokens)
    finally:
        for handle in handles:
            handle.remove()
    if not outputs:
        raise ValueError(
            "no nn.Embedding was given the tokens: there is nothing to differentiate by"
        )
    return logits, outputs
