"""What training, penalties, losses and latent paths do with data that they cannot use."""

import dataclasses
from inspect import unwrap
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aigc_tutorial import gan
from aigc_tutorial.data import ImageDataset, Source
from aigc_tutorial.gan.base import training_rows
from aigc_tutorial.gan.latent import decode, great_circle, latents_by_digit, slerp
from aigc_tutorial.gan.losses import (
    relativistic_discriminator_loss,
    relativistic_generator_loss,
)
from aigc_tutorial.gan.penalties import gradient_penalty, r1_penalty
from aigc_tutorial.gan.recipes import MNIST_MLP
from aigc_tutorial.training import Engine, load_checkpoint, loop
from tests import second_device

SHAPE = (1, 4, 4)


def pair(**settings: bool) -> tuple[gan.MLPGenerator, gan.MLPDiscriminator]:
    sizes = gan.MLPGeneratorConfig(latent_dim=3, image_shape=SHAPE, hidden=(4, 4), **settings)
    return gan.MLPGenerator(sizes), gan.MLPDiscriminator(
        gan.MLPDiscriminatorConfig(image_shape=SHAPE, hidden=(4,))
    )


def pair_of_numbers(n: int, **settings: bool) -> tuple[gan.MLPGenerator, gan.MLPDiscriminator]:
    sizes = gan.MLPGeneratorConfig(latent_dim=3, image_shape=(n,), hidden=(4,), **settings)
    return gan.MLPGenerator(sizes), gan.MLPDiscriminator(
        gan.MLPDiscriminatorConfig(image_shape=(n,), hidden=(4,))
    )


def images(n: int = 8) -> Tensor:
    return 2 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0)) - 1


def train(rows: Any, **settings: bool) -> Tensor:
    torch.manual_seed(0)
    config = gan.GANTrainingConfig(n_images=16, batch_size=4)
    generator, discriminator = pair(**settings)
    result = gan.train(generator, discriminator, rows, config=config, progress_bar=False)
    return next(result.raw_generator.parameters()).detach()


class TestTraining:
    """The real data of a training."""

    def test_more_samples_in_a_step_than_there_are(self):
        config = gan.GANTrainingConfig(n_images=16, batch_size=4, n_discriminator_updates=3)
        with pytest.raises(ValueError, match=r"n_discriminator_updates samples, 12, and .* are 8"):
            gan.train(*pair(), images(), config=config, progress_bar=False)

    def test_takes_what_can_be_converted(self):
        expected = train(images())
        dataset = ImageDataset(
            images(), torch.zeros(8, dtype=torch.int64), Source("embedded", "here", "made up")
        )
        for rows in (dataset, images().double(), images().numpy(), images().double().numpy()):
            assert torch.equal(train(rows), expected)

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ((images() + 1) / 2, r"\[-1, 1\].*2 \* the data - 1"),
            ((127.5 * (images() + 1)).to(torch.uint8), "pixels_to_images"),
            ((127.5 * (images() + 1)).round(), "pixels_to_images"),
            (images().mul(10).long(), "floating point"),
            (torch.where(images() > 0.5, torch.nan, images()), "NaN or infinite"),
            (images() / 0, "NaN or infinite"),
            (images(0), "at least one sample"),
            (images()[:, 0], "same shape per sample"),
            (images().to("meta"), "meta device"),
        ],
    )
    def test_refuses_the_rest(self, rows, message):
        with pytest.raises(ValueError, match=message):
            train(rows)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"loss": "hinge"}, r"loss must be of the class AdversarialLoss, got 'hinge'; gan"),
            ({"config": {"n_images": 16}}, "config must be of the class GANTrainingConfig, got {"),
            ({"engine": "cpu"}, "engine must be of the class Engine, got 'cpu'; write"),
            ({"snapshots_at": 8}, r"snapshots_at must be a list of .*, got 8"),
            ({"generator": nn.Linear(3, 16)}, "generator must be of the class Generator, got a Li"),
            ({"generator": pair()[1]}, "of the class Generator, got a MLPDiscriminator; a network"),
            ({"discriminator": pair()[0]}, "must be of the class Discriminator, got a MLPGenerat"),
            ({"tracker": "log.csv"}, "tracker must have the methods of a Tracker, got 'log.csv'"),
        ],
    )
    def test_arguments_of_another_kind(self, monkeypatch, option, message):
        untyped: Any = unwrap(gan.train)
        generator, discriminator = pair()
        config = gan.GANTrainingConfig(n_images=16, batch_size=4)
        networks = {"generator": generator, "discriminator": discriminator}
        arguments = {**networks, "rows": images(), "config": config}
        monkeypatch.setattr("aigc_tutorial.gan.trainer.run", unwrap(loop.run))
        with pytest.raises(TypeError, match=message):
            untyped(**arguments | option)

    @pytest.mark.parametrize("of_image", [lambda x: x.flatten(1), lambda x: x[:1], lambda x: x[0]])
    def test_a_generator_that_makes_no_samples_of_the_datas_shape(self, monkeypatch, of_image):
        forward = gan.MLPGenerator.forward
        monkeypatch.setattr(gan.MLPGenerator, "forward", lambda *args: of_image(forward(*args)))
        with pytest.raises(ValueError, match=r"made \(.*\) where \(4, 1, 4, 4\) was asked for"):
            train(images())

    def test_what_a_recipe_decides(self):
        with pytest.raises(TypeError, match=r"its own config and loss; .* dataclasses\.replace"):
            MNIST_MLP.train(images(), config=gan.GANTrainingConfig(), loss=gan.losses.HINGE)

    def test_numbers_of_numpy(self):
        untyped: Any = unwrap(gan.train)
        config = gan.GANTrainingConfig(n_images=16, batch_size=4)
        options = {"config": config, "progress_bar": False}
        torch.manual_seed(0)
        first = untyped(*pair(), images(), seed=1, **options)
        torch.manual_seed(0)
        second = untyped(
            *pair(), images(), seed=np.arange(2)[1], snapshots_at=np.array([8]), **options
        )
        assert first.history["loss_generator"] == second.history["loss_generator"]
        assert [type(n) for n in second.snapshots] == [int]
        with pytest.raises(ValueError, match=r"seed must be at least 0, a whole number, got 0\.5"):
            untyped(*pair(), images(), seed=0.5)

    def test_a_default_device_does_not_matter(self):
        expected = train(images())
        torch.manual_seed(0)
        networks, rows = pair(), images()
        config = gan.GANTrainingConfig(n_images=16, batch_size=4)
        with torch.device("meta"):  # where nothing can be computed
            result = gan.train(
                *networks, rows, config=config, progress_bar=False, engine=Engine(device="cpu"),
                snapshots_at=[8],
            )  # fmt: skip
        assert torch.equal(next(result.raw_generator.parameters()).detach(), expected)

    def test_nor_with_labels_in_a_list_and_a_checkpoint(self, tmp_path):
        torch.manual_seed(0)
        sizes: dict[str, Any] = {"image_shape": SHAPE, "n_classes": 2}
        networks = (
            gan.ConvGenerator(gan.ConvGeneratorConfig(3, channels=(4, 4), **sizes)),
            gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(channels=(4, 4, 4), **sizes)),
        )
        rows, config = images(), gan.GANTrainingConfig(n_images=16, batch_size=4)
        with torch.device("meta"):
            result = gan.train(
                *networks, rows, [0, 1] * 4, config=config, progress_bar=False,
                engine=Engine(device="cpu"), snapshots_at=[8], checkpoint_folder=tmp_path,
            )  # fmt: skip
            saved = load_checkpoint(tmp_path)["processes"][0]["task"]["generator"]
            assert result.generator.sample(2, [0, 1]).device.type == "cpu"
        assert {tensor.device.type for tensor in saved.values()} == {"cpu"}

    def test_nor_for_an_autoencoder(self, tmp_path):
        torch.manual_seed(0)
        sizes = gan.VQAutoencoderConfig(SHAPE, channels=(4, 4), n_codes=4, code_dim=2)
        autoencoder, (_, discriminator) = gan.VQAutoencoder(sizes), pair()
        rows, config = images(), gan.VQGANTrainingConfig(n_images=16, batch_size=4)
        with torch.device("meta"):
            gan.train_vqgan(
                autoencoder, discriminator, rows, config=config, progress_bar=False,
                engine=Engine(device="cpu"), checkpoint_folder=tmp_path,
            )  # fmt: skip
            autoencoder.save_pretrained(tmp_path)
            loaded = gan.VQAutoencoder.from_pretrained(tmp_path)
            assert torch.equal(loaded.decode([[[3]]]), autoencoder.decode([[[3]]]))

    def test_a_recipes_weights_are_drawn_on_the_cpu(self):
        """On another device nobody has seeded the generator that would draw them."""
        drawn: list[str] = []

        class Watched(gan.MLPGenerator):
            def __init__(self, config: gan.MLPGeneratorConfig) -> None:
                super().__init__(config)
                drawn.append(next(self.parameters()).device.type)

        recipe = dataclasses.replace(MNIST_MLP, generator_class=Watched)
        with torch.device("meta"):
            generator, discriminator = recipe.networks(seed=1)
        assert drawn == ["cpu"]
        assert generator.device.type == discriminator.device.type == "meta"

    def test_what_an_unbounded_generator_imitates_may_lie_anywhere(self):
        generator, discriminator = pair(bounded=False)
        rows = 5 + images()
        assert torch.equal(training_rows(rows, generator, discriminator), rows)

    @pytest.mark.parametrize("n", [1, 2, 3, 8])
    def test_numbers_that_a_bounded_generator_cannot_reach(self, n):
        """Points in the plane were taken, and the samples stayed in a square."""
        rows = 5 + torch.randn(8, n, generator=torch.Generator().manual_seed(0))
        message = r"tanh reaches from -1 to 1, .*MLPGeneratorConfig\(\.\.\., bounded=False\)"
        with pytest.raises(ValueError, match=message):
            training_rows(rows, *pair_of_numbers(n))
        assert torch.equal(training_rows(rows, *pair_of_numbers(n, bounded=False)), rows)
        within = rows.sub(5).clamp(-1, 1)
        assert torch.equal(training_rows(within, *pair_of_numbers(n)), within)

    def test_points_beyond_the_type_of_the_weights_are_refused(self):
        generator, discriminator = pair_of_numbers(2, bounded=False)
        points = torch.full((8, 2), 1e39, dtype=torch.float64)
        with pytest.raises(ValueError, match="the data must fit into float32"):
            training_rows(points, generator, discriminator)
        assert torch.equal(
            training_rows(points, generator.double(), discriminator.double()), points
        )

    def test_networks_come_back_from_the_device_to_where_they_were(self):
        engine = Engine(device="cpu")
        engine.device = second_device.device()
        generator, discriminator = pair()
        config = gan.GANTrainingConfig(n_images=16, batch_size=4)
        result = gan.train(
            generator, discriminator, images(), config=config, progress_bar=False, engine=engine
        )
        x = result.generator.sample(3)
        for logits in (result.discriminator(x), discriminator(result.raw_generator.sample(3))):
            assert logits.device.type == x.device.type == "cpu"
        result = gan.train(
            generator.to(second_device.device()),
            discriminator,
            images(),
            config=config,
            progress_bar=False,
        )
        assert result.generator.device == result.raw_generator.device == second_device.device()

    def test_batch_norm_and_a_batch_of_one(self):
        generator, discriminator = pair(batch_norm=True)
        with pytest.raises(ValueError, match="batches of at least 2"):
            gan.train(
                generator,
                discriminator,
                images(),
                config=gan.GANTrainingConfig(n_images=4, batch_size=1),
                progress_bar=False,
            )
        generator, _ = pair(batch_norm=True)
        assert generator.training
        assert generator.sample(1).shape == (1, *SHAPE)
        assert generator.sample(3, batch_size=1).shape == (3, *SHAPE)


class TestSampling:
    """Latents and samples."""

    def test_one_seed_gives_the_same_latents_everywhere(self):
        def draw(model: gan.MLPGenerator) -> Tensor:
            return model.sample_latent(5, rng=torch.Generator().manual_seed(3))

        model = pair()[0]
        expected = draw(model)
        torch.set_default_dtype(torch.float64)
        try:
            assert torch.equal(draw(model), expected)
        finally:
            torch.set_default_dtype(torch.float32)
        assert torch.equal(draw(model.to(second_device.device())).cpu(), expected)
        assert torch.equal(draw(model.half()).cpu(), expected.half())

    def test_counts_below_one(self):
        model = pair()[0]
        for call in (
            lambda: model.sample(0),
            lambda: model.sample_latent(-1),
            lambda: model.sample(2, batch_size=0),
        ):
            with pytest.raises(ValueError, match="at least 1"):
                call()

    def test_counts_that_are_not_whole(self):
        generator = pair()[0]
        z = generator.sample_latent(2)
        for name, call in {
            "n": lambda: unwrap(gan.Generator.sample_latent)(generator, 1.5),
            "batch_size": lambda: unwrap(gan.Generator.sample)(generator, 2, batch_size=1.5),
            "n_frames": lambda: unwrap(great_circle)(z, z, 2.5),
            "n_steps": lambda: unwrap(slerp)(z[0], z[1], 2.5),
        }.items():
            with pytest.raises(ValueError, match=rf"{name}.* must be at least ., a whole number"):
                call()

    def test_submodules_keep_their_modes(self):
        model = pair(batch_norm=True)[0].train()
        model.layers[3].eval()
        modes = [module.training for module in model.modules()]
        model.sample(2)
        decode(model, model.sample_latent(2))
        assert [module.training for module in model.modules()] == modes


class TestPaths:
    """Latents on another device than each other or than the network."""

    a, b = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))

    def test_whole_numbers_are_refused(self):
        whole = unwrap(great_circle), unwrap(slerp)
        for path, latent in zip(
            whole, (torch.ones(2, 3).long(), torch.ones(3).long()), strict=True
        ):
            with pytest.raises(ValueError, match="floating point numbers"):
                path(latent, latent, 4)

    def test_devices(self):
        loop, way = great_circle(self.a, self.b, 4), slerp(self.a[0], self.b[0], 4)
        for a, b in (
            (self.a.to(second_device.device()), self.b),
            (self.a, self.b.to(second_device.device())),
        ):
            torch.testing.assert_close(great_circle(a, b, 4).cpu(), loop)
            torch.testing.assert_close(slerp(a[0], b[0], 4).cpu(), way)
        model = pair()[0]
        expected = decode(model, self.a)
        torch.testing.assert_close(decode(model, self.a.to(second_device.device())), expected)
        torch.testing.assert_close(decode(model.to(second_device.device()), self.a), expected)

    def test_latents_by_digit(self):
        torch.manual_seed(0)
        model = pair()[0]
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
        bound = network(decode(model, self.a)).diff(dim=1).median()
        network[1].bias = nn.Parameter(torch.stack([bound, torch.zeros(())]).detach())

        def draw() -> Tensor:
            return latents_by_digit(
                model, network, rng=torch.Generator().manual_seed(0), n_classes=2
            )

        expected = draw()
        network.to(second_device.device())
        assert torch.equal(draw(), expected)
        model.to(second_device.device())
        assert torch.equal(draw(), expected)
        network.to("cpu")
        assert torch.equal(draw(), expected)
        with pytest.raises(ValueError, match="between 1 and the classifier's 2"):
            latents_by_digit(model, network, n_classes=3)

    def test_refusals(self):
        with pytest.raises(ValueError, match="NaN"):
            great_circle(self.a * torch.nan, self.b, 3)
        with pytest.raises(ValueError, match="NaN"):
            slerp(self.a[0], self.b[0] / 0, 3)
        untyped: Any = unwrap(slerp)
        with pytest.raises(ValueError, match=r"one latent to one other.* got \(1, \d+\); take"):
            untyped(self.a[:1], self.b[:1], 3)

    @pytest.mark.parametrize("rng", [0, np.random.default_rng(0)])
    def test_a_seed_is_no_source_of_randomness(self, rng):
        untyped: Any = unwrap(gan.MLPGenerator.sample_latent)
        with pytest.raises(TypeError, match=r"rng must be a torch\.Generator.*manual_seed"):
            untyped(pair()[0], 2, rng=rng)
        untyped = unwrap(gradient_penalty)
        with pytest.raises(TypeError, match=r"rng must be a torch\.Generator.*manual_seed"):
            untyped(pair()[1], images(), images(), rng=rng)


class TestPenaltiesAndLosses:
    """Scores that do not fit, and generators on another device."""

    def test_pairs_are_not_broadcast_to_all_pairs(self):
        # (B, 1) against (B,): the mean of B² differences, had nobody looked.
        for loss in (relativistic_discriminator_loss, relativistic_generator_loss):
            with pytest.raises((ValueError, TypeError)):
                loss(torch.zeros(4, 1), torch.arange(4.0))

    def test_one_score_a_sample(self):
        with pytest.raises(ValueError, match="one logit for each of the 5 samples"):
            r1_penalty(lambda x: x, torch.zeros(5, 3))

    def test_mixing_weights_come_from_the_cpu(self):
        x_real, x_fake = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))

        def measure(*sets: Tensor) -> Tensor:
            return gradient_penalty(
                lambda x: x.square().sum(1), *sets, rng=torch.Generator().manual_seed(1)
            ).cpu()

        torch.testing.assert_close(
            measure(x_real.to(second_device.device()), x_fake.to(second_device.device())),
            measure(x_real, x_fake),
        )
