"""Groups of images that look alike, found without labels, for a generator to be trained on."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from aigc_tutorial.data.checks import as_images
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count

N_COMPONENTS = 50
"""Principal components in which groups are looked for."""
N_NEIGHBOURS = 10
"""Images whose mean an image is replaced by in a round, itself among them."""


def pixel_groups(
    images: Float[Tensor, "N C H W"],
    n_groups: int,
    *,
    seed: int,
    straighten: bool = False,
    n_rounds: int = 0,
) -> Int64[Tensor, " N"]:
    """Groups of images that look alike, by k-means in their first 50 principal components.

    Two 4s that are far apart have many others between them, a 4 and a 9 few. So before k-means
    each image can move to the mean of its nearest ten, itself among them, round by round: what is
    dense draws together, and what is thin is left (blurring mean-shift: Fukunaga and Hostetler,
    1975, "The estimation of the gradient of a density function", IEEE Transactions on Information
    Theory 21; here with the ten neighbours of the beginning).

    Args:
        images: at least as many as groups, in [-1, 1].
        n_groups: K.
        seed: decides where k-means begins.
        straighten: compare the images as :func:`straightened`, so that the slant of a hand makes
            no groups.
        n_rounds: of moving to the mean of the neighbours; takes time in the square of N.

    Returns:
        The group of each image, 0 to K − 1, on the CPU.

    Raises:
        ValueError: if there are fewer different images than groups.
        ImportError: if scikit-learn is missing.
    """
    rows = as_images(images).cpu()
    pixels = (straightened(rows) if straighten else rows).flatten(1).float().numpy()
    as_count(n_groups, "n_groups")
    as_count(n_rounds, "n_rounds", at_least=0)
    if len(pixels) < n_groups:
        raise ValueError(f"{n_groups} groups need as many images at least, got {len(pixels)}")
    require("sklearn", "book")
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    n_components = min(N_COMPONENTS, *pixels.shape)
    components = pixels  # of equal images there are no principal ones
    if (pixels != pixels[0]).any():
        components = PCA(n_components, random_state=seed).fit_transform(pixels)
    if n_rounds:
        search = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(pixels)), algorithm="brute")
        nearest = search.fit(components).kneighbors(components, return_distance=False)
        nearest.sort(axis=1)  # the same ten have the same mean, to the last bit
        for _ in range(n_rounds):
            components = components[nearest].mean(axis=1)
    n_kinds = len(np.unique(components, axis=0))
    if n_kinds < n_groups:
        raise ValueError(
            f"{n_groups} groups need as many different images at least, and there are {n_kinds}"
            + (f" after {n_rounds} rounds; take fewer of either" if n_rounds else "")
        )
    found = KMeans(n_groups, n_init=1, random_state=seed).fit_predict(components)
    return torch.as_tensor(found, dtype=torch.int64)


def straightened(images: Float[Tensor, "N C H W"]) -> Float32[Tensor, "N C H W"]:
    r"""Images in the middle of their field and sheared upright.

    Bright is ink: :math:`m = (x + 1) / 2`. With its centre :math:`(\bar u, \bar v)` in columns u
    and rows v, the slant is :math:`\sigma_{uv} / \sigma_{vv}`, columns a row: each row is moved
    back by as much, until the two no longer vary together.

    Args:
        images: in [-1, 1], dark ground; one without ink stays as it is.
    """
    rows = as_images(images)
    height, width = rows.shape[2:]
    ink = (rows.mean(1) + 1) / 2
    total = ink.sum((1, 2)).clamp(min=1e-6)
    v = torch.arange(height, device=ink.device)[:, None]
    u = torch.arange(width, device=ink.device)

    def mean(values: Tensor) -> Tensor:
        return (ink * values).sum((1, 2)) / total

    middle_v, middle_u = (height - 1) / 2, (width - 1) / 2
    from_v, from_u = mean(v - middle_v), mean(u - middle_u)
    dv, du = v - middle_v - from_v[:, None, None], u - middle_u - from_u[:, None, None]
    slant = mean(du * dv) / mean(dv * dv).clamp(min=1e-6)
    # affine_grid measures in half images.
    theta = torch.zeros(len(rows), 2, 3, device=ink.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, 0, 1] = slant * height / width
    theta[:, 0, 2], theta[:, 1, 2] = 2 * from_u / width, 2 * from_v / height
    grid = F.affine_grid(theta, list(rows.shape), align_corners=False)
    return F.grid_sample(rows + 1, grid, align_corners=False) - 1
