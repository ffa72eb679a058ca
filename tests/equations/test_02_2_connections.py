"""Both sides of every equation of page 2.2, computed."""

import pytest
import torch
from torch import Tensor

from aigc_tutorial import gan
from aigc_tutorial.gan.losses import RELATIVISTIC, relativistic_discriminator_loss
from aigc_tutorial.nn import VectorQuantiser
from aigc_tutorial.training import Engine


@pytest.mark.equation("connections-straight-through")
def test_the_nearest_code_goes_on_and_the_gradient_comes_back_unchanged():
    rng = torch.Generator().manual_seed(0)
    quantiser = VectorQuantiser(7, 3).double()
    quantiser.codebook.copy_(torch.randn(7, 3, generator=rng, dtype=torch.float64))
    y = torch.randn(2, 3, 2, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    out = quantiser(y)
    for b, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(2)):
        squares = (y[b, :, i, j] - quantiser.codebook).square().sum(1)
        assert out.codes[b, i, j] == squares.argmin()
        torch.testing.assert_close(out.vectors[b, :, i, j], quantiser.codebook[squares.argmin()])
    for place in torch.cartesian_prod(*(torch.arange(n) for n in y.shape)):
        (gradient,) = torch.autograd.grad(out.vectors[tuple(place)], y, retain_graph=True)
        expected = torch.zeros_like(y)
        expected[tuple(place)] = 1
        assert torch.equal(gradient, expected)


class Recorder(Engine):
    """Keeps the losses that are minimised, and takes no step: the networks stay as they are."""

    def __init__(self) -> None:
        super().__init__(device="cpu")
        self.losses: list[float] = []

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        self.losses.append(loss.item())


@pytest.mark.equation("connections-vqgan")
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_encoder_and_decoder_is_the_sum_of_three(seed):
    torch.manual_seed(seed)
    sizes = gan.VQAutoencoderConfig((1, 8, 8), channels=(8, 16), n_codes=6, code_dim=3)
    autoencoder = gan.VQAutoencoder(sizes).double()
    autoencoder.quantiser.codebook.normal_(generator=torch.Generator().manual_seed(seed))
    judge = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig((1, 8, 8), (4, 6, 8))).double()
    x = 2 * torch.rand(5, 1, 8, 8, dtype=torch.float64) - 1
    with torch.no_grad():
        y = autoencoder.encoder(x)
        rows = y.permute(0, 2, 3, 1).reshape(-1, 3)
        book = autoencoder.quantiser.codebook
        e = book[(rows[:, None] - book).square().sum(2).argmin(1)]
        again = autoencoder.decoder(e.reshape(5, 2, 2, 3).permute(0, 3, 1, 2))
        adversarial = (1 + (judge(x) - judge(again)).exp()).log().mean()
        by_hand = (x - again).square().mean() + 0.7 * adversarial + 0.4 * (rows - e).square().mean()
    engine = Recorder()
    trainer = gan.VQGANTrainer(
        autoencoder,
        judge,
        loss=RELATIVISTIC,
        config=gan.VQGANTrainingConfig(adversarial_weight=0.7, commitment_weight=0.4),
        rng=torch.Generator().manual_seed(0),
        engine=engine,
    )
    trainer.step(x, progress=0.5)
    of_discriminator, of_autoencoder = engine.losses
    assert of_autoencoder == pytest.approx(by_hand.item(), rel=1e-9)
    assert of_discriminator != pytest.approx(of_autoencoder, rel=1e-3)


@pytest.mark.equation("connections-bradley-terry")
@pytest.mark.parametrize("size", [1.0, 20.0])
def test_a_reward_models_loss_is_a_relativistic_discriminators(size):
    rng = torch.Generator().manual_seed(0)
    r_x, r_y = size * torch.randn(2, 50, generator=rng, dtype=torch.float64)
    share = r_x.exp() / (r_x.exp() + r_y.exp())
    torch.testing.assert_close(share, (r_x - r_y).sigmoid(), rtol=1e-9, atol=0)
    torch.testing.assert_close(-share.log(), (1 + (r_y - r_x).exp()).log(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(relativistic_discriminator_loss(r_x, r_y), -share.log().mean())
