r"""Gradient penalties: how a discriminator is kept from growing too steep.

Each returns the bare quantity without its weight; the training step multiplies by
:math:`\gamma/2` (R1, R2) or :math:`\lambda` (gradient penalty), as the papers do. The norm of a
gradient always runs over all dimensions but the batch.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.nn import gradients_on

Scalar = Float[Tensor, ""]


def input_gradient(
    discriminator: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."]
) -> Float[Tensor, "B P"]:
    r""":math:`\nabla_x a(x)` for each sample, flattened, and differentiable itself.

    The sum of the logits is differentiated: a logit must depend on its own sample alone, so a
    discriminator with batch normalisation has no per-sample gradient in this sense.

    Raises:
        ValueError: if the discriminator does not return one number for each sample, or the samples
            are integers.
    """
    _require_floats(x)
    is_differentiable = torch.is_grad_enabled()  # without, the gradient is still a number
    with gradients_on():
        x = x.detach()
        x = (x.clone() if x.is_inference() else x).requires_grad_(True)
        logits = discriminator(x)
    if logits.numel() != len(x):
        raise ValueError(
            f"a penalty needs one logit for each of the {len(x)} samples, got shape "
            f"{tuple(logits.shape)}"
        )
    with gradients_on():
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=is_differentiable)
    return gradient.flatten(1)


def _require_floats(x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(
            f"a penalty is taken at samples of floating point numbers, got {x.dtype}; pixels "
            "0 … 255 become images by data.pixels_to_images"
        )


def r1_penalty(discriminator: Callable[[Tensor], Tensor], x_real: Float[Tensor, "B ..."]) -> Scalar:
    r"""Squared gradient at real data (Mescheder et al., 2018, arXiv 1801.04406, equation 9).

    .. math:: R_1 = \mathbb{E}_x \lVert \nabla_x a(x) \rVert^2
    """
    return input_gradient(discriminator, x_real).square().sum(1).mean()


def r2_penalty(discriminator: Callable[[Tensor], Tensor], x_fake: Float[Tensor, "B ..."]) -> Scalar:
    r"""Squared gradient at generated data (Mescheder et al., 2018, arXiv 1801.04406).

    .. math:: R_2 = \mathbb{E}_z \lVert \nabla_x a(G(z)) \rVert^2
    """
    return input_gradient(discriminator, x_fake).square().sum(1).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    x_real: Float[Tensor, "B ..."],
    x_fake: Float[Tensor, "B_fake ..."],
    *,
    rng: torch.Generator | None = None,
    one_sided: bool = False,
) -> Scalar:
    r"""Pull the gradient norm to 1 between real and generated samples (WGAN-GP).

    .. math:: \mathbb{E}\left[(\lVert \nabla_{\hat x} a(\hat x) \rVert - 1)^2\right],
              \quad \hat x = u x + (1 - u) G(z), \; u \sim U(0, 1)

    (Gulrajani et al., 2017, arXiv 1704.00028, equation 3.) For a linear critic
    :math:`a(x) = w \cdot x` it is :math:`(\lVert w \rVert - 1)^2`.

    Args:
        critic: maps a batch to one score each.
        x_real: real samples.
        x_fake: as many generated samples.
        rng: source of the mixing weights u, on the CPU or on the device of the samples.
        one_sided: punish norms above 1 alone.

    Raises:
        ValueError: if the samples differ in shape or in type, or are integers.
    """
    if x_real.shape != x_fake.shape:
        raise ValueError(
            "real and generated samples are mixed pair by pair and need one shape, "
            f"got {tuple(x_real.shape)} and {tuple(x_fake.shape)}"
        )
    if x_real.dtype != x_fake.dtype:
        raise ValueError(
            "real and generated samples are mixed pair by pair and need one type, got "
            f"{x_real.dtype} and {x_fake.dtype}; convert: x_real.to(x_fake)"
        )
    _require_floats(x_real)
    weight_shape = (x_real.shape[0],) + (1,) * (x_real.ndim - 1)
    where = "cpu" if rng is None else require_rng(rng).device
    u = torch.rand(weight_shape, generator=rng, device=where, dtype=x_real.dtype).to(x_real)
    mixed = x_real.detach().lerp(x_fake.detach(), 1 - u)
    # vector_norm and not a square root: its derivative at zero is 0 and not infinite.
    excess = torch.linalg.vector_norm(input_gradient(critic, mixed), dim=1) - 1
    if one_sided:
        excess = excess.clamp(min=0)
    return excess.square().mean()
