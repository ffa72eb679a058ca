"""The GANs that users find elsewhere, written as they write them, from the published descriptions.

Nothing here is ours to be proud of or to improve: it is the other side of the comparison. The
networks are those of the fully connected MNIST GAN that most tutorials share; the WGAN-GP follows
algorithm 1 of Gulrajani et al. (2017) with the same networks.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

LATENT_DIM = 100
N_PIXELS = 28 * 28


def make_generator() -> nn.Sequential:
    """100 → 128 → 256 → 512 → 1024 → 784 with batch normalisation from the second layer on."""
    layers: list[nn.Module] = [nn.Linear(LATENT_DIM, 128), nn.LeakyReLU(0.2, inplace=True)]
    for n_in, n_out in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(
        *layers, nn.Linear(1024, N_PIXELS), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
    )


def make_discriminator(*, sigmoid: bool) -> nn.Sequential:
    """784 → 512 → 256 → 1, with a sigmoid for cross-entropy and without one for a critic."""
    layers: list[nn.Module] = [
        nn.Flatten(),
        nn.Linear(N_PIXELS, 512),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(256, 1),
    ]
    return nn.Sequential(*layers, nn.Sigmoid()) if sigmoid else nn.Sequential(*layers)


def endless(loader: DataLoader) -> Iterator[Tensor]:
    """Images of one epoch after the other."""
    while True:
        for images, _ in loader:
            yield images


def train_gan(dataset: Dataset, seconds: float, seed: int = 0) -> tuple[nn.Sequential, float]:
    """Cross-entropy GAN: batch 64, DataLoader, Adam(2e-4, betas 0.5 and 0.999).

    Returns:
        The generator and the real images seen per second.
    """
    torch.manual_seed(seed)
    loader = DataLoader(dataset, batch_size=64, shuffle=True)
    generator, discriminator = make_generator(), make_discriminator(sigmoid=True)
    loss = nn.BCELoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    n_images, started = 0, time.perf_counter()
    for images in endless(loader):
        valid, fake = torch.ones(len(images), 1), torch.zeros(len(images), 1)
        optimizer_g.zero_grad()
        generated = generator(torch.randn(len(images), LATENT_DIM))
        loss_g = loss(discriminator(generated), valid)
        loss_g.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        loss_real = loss(discriminator(images), valid)
        loss_fake = loss(discriminator(generated.detach()), fake)
        ((loss_real + loss_fake) / 2).backward()
        optimizer_d.step()
        n_images += len(images)
        if time.perf_counter() - started >= seconds:
            break
    return generator.eval(), n_images / (time.perf_counter() - started)


def train_wgan_gp(dataset: Dataset, n_images: int, seed: int = 0) -> tuple[nn.Sequential, float]:
    """WGAN-GP: five critic updates for one of the generator, penalty weight 10.

    Returns:
        The generator and the real images seen per second.
    """
    torch.manual_seed(seed)
    loader = DataLoader(dataset, batch_size=64, shuffle=True)
    generator, critic = make_generator(), make_discriminator(sigmoid=False)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
    n_seen, started = 0, time.perf_counter()
    for step, images in enumerate(endless(loader)):
        optimizer_d.zero_grad()
        generated = generator(torch.randn(len(images), LATENT_DIM)).detach()
        mix = torch.rand(len(images), 1, 1, 1)
        between = (mix * images + (1 - mix) * generated).requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
        (critic(generated).mean() - critic(images).mean() + 10 * penalty).backward()
        optimizer_d.step()
        if step % 5 == 4:
            optimizer_g.zero_grad()
            (-critic(generator(torch.randn(len(images), LATENT_DIM))).mean()).backward()
            optimizer_g.step()
        n_seen += len(images)
        if n_seen >= n_images:
            break
    return generator.eval(), n_seen / (time.perf_counter() - started)
