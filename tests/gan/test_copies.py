"""Networks side by side: each copy computes, and learns, what it would alone."""

from typing import Any

import pytest
import torch

from aigc_tutorial import gan
from aigc_tutorial.gan import losses
from aigc_tutorial.gan.copies import join_copies, split_copies
from aigc_tutorial.training import Engine

N_COPIES, BATCH, N_STEPS = 3, 8, 5
GENERATOR = gan.MLPGeneratorConfig(4, (2,), hidden=(8, 8), bounded=False)
DISCRIMINATOR = gan.MLPDiscriminatorConfig((2,), hidden=(8, 8))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def side_by_side():
    torch.manual_seed(0)
    generator = gan.MLPGeneratorCopiesConfig(**vars(GENERATOR), n_copies=N_COPIES)
    discriminator = gan.MLPDiscriminatorCopiesConfig(**vars(DISCRIMINATOR), n_copies=N_COPIES)
    return gan.MLPGeneratorCopies(generator), gan.MLPDiscriminatorCopies(discriminator)


def trainer(networks, loss, **options):
    config = gan.GANTrainingConfig(batch_size=BATCH, warmup_images=0, penalty_every=2, **options)
    generator, discriminator = (network.double() for network in networks)
    player = gan.GANTrainer(
        generator,
        discriminator,
        loss=loss,
        config=config,
        rng=seeded(),
        engine=Engine(device="cpu"),
    )
    for optimizer in (player.optimizer_generator, player.optimizer_discriminator):
        (adam,) = optimizer.optimizers
        adam.param_groups[0]["eps"] = 1e-12  # alone it knows the gradient's size
    return player


def give_latents(monkeypatch, player, latents):
    """Let a generator take these latents, one batch after the other."""
    batches = iter(latents)
    monkeypatch.setattr(player.generator, "sample_latent", lambda n, rng: next(batches))


def test_joined_rows_are_dealt_in_turn():
    parts = torch.arange(6).view(3, 2)
    rows = join_copies(parts)
    assert rows.tolist() == [0, 2, 4, 1, 3, 5]
    assert torch.equal(split_copies(rows, 3), parts)
    with pytest.raises(ValueError, match="7 rows cannot be dealt to 3 copies"):
        split_copies(torch.zeros(7, 2), 3)


def test_each_copy_is_the_network_that_would_have_been_drawn():
    generator, discriminator = side_by_side()
    torch.manual_seed(0)
    alone = [gan.MLPGenerator(GENERATOR) for _ in range(N_COPIES)]
    z = torch.randn(N_COPIES, BATCH, 4, generator=seeded())
    x = split_copies(generator(join_copies(z)), N_COPIES)
    logits = split_copies(discriminator(join_copies(x)), N_COPIES)
    for number, network in enumerate(alone):
        torch.testing.assert_close(x[number], network(z[number]))
        assert generator.copy(number).config == network.config
        torch.testing.assert_close(generator.copy(number)(z[number]), network(z[number]))
        torch.testing.assert_close(logits[number], discriminator.copy(number)(x[number]))


def test_samples_of_each_copy_are_its_own():
    generator, _ = side_by_side()
    samples = generator.sample_each(1_500, rng=seeded())
    assert samples.shape == (N_COPIES, 1_500, 2)
    z = split_copies(generator.sample_latent(1_500 * N_COPIES, rng=seeded()), N_COPIES)
    for number in range(N_COPIES):
        torch.testing.assert_close(samples[number], generator.copy(number)(z[number]).detach())


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (losses.MINIMAX, {"r1_gamma": 0.0}),
        (losses.NON_SATURATING, {"r1_gamma": 0.5, "r2_gamma": 0.2}),
        (losses.RELATIVISTIC, {"r1_gamma": 0.5}),
        (losses.WASSERSTEIN, {"gradient_penalty": 1.0, "n_discriminator_updates": 2}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_training_together_is_training_alone(loss, options, monkeypatch):
    """The same data and latents lead each copy to the weights that it would reach alone."""
    n_updates = options.get("n_discriminator_updates", 1)
    x = torch.randn(N_STEPS, N_COPIES, BATCH * n_updates, 2, generator=seeded(1)).double()
    z = torch.randn(N_STEPS * n_updates, N_COPIES, BATCH, 4, generator=seeded(2)).double()
    if "gradient_penalty" in options:  # every sample mixed half and half, alone or together
        monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size[0], 0.5).double())
    together = trainer(side_by_side(), loss, **options)
    give_latents(monkeypatch, together, [join_copies(batch) for batch in z])
    for batch in x:
        together.step(join_copies(batch), 0.2)
    for number in range(N_COPIES):
        alone = trainer([copies.copy(number) for copies in side_by_side()], loss, **options)
        give_latents(monkeypatch, alone, z[:, number])
        for batch in x[:, number]:
            alone.step(batch, 0.2)
        for copies, network in (
            (together.generator, alone.generator),
            (together.discriminator, alone.discriminator),
        ):
            trained = copies.double().copy(number).state_dict()
            for name, weight in network.state_dict().items():
                torch.testing.assert_close(trained[name].double(), weight, rtol=1e-4, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    generator, _ = side_by_side()
    generator.save_pretrained(tmp_path / "copies")
    again = gan.MLPGeneratorCopies.from_pretrained(tmp_path / "copies")
    z = torch.randn(6, 4, generator=seeded())
    assert torch.equal(again(z), generator(z))


def test_nothing_may_mix_rows():
    with pytest.raises(ValueError, match="batch normalisation would mix"):
        gan.MLPGeneratorCopiesConfig(n_copies=2, batch_norm=True)


@pytest.mark.parametrize(("n", "batch_size"), [(64, 1000), (3001, 1000), (10, 1), (2, 4)])
def test_any_number_of_samples_in_any_parts(n, batch_size):
    """Row i is of copy i mod S, whatever the parts in which the rows are computed."""
    generator, _ = side_by_side()
    samples = generator.sample(n, rng=seeded(), batch_size=batch_size)
    whole = generator.sample(n + -n % N_COPIES, rng=seeded(), batch_size=30_000)
    torch.testing.assert_close(samples, whole[:n])
    for bad in ({"n": 0}, {"n": 3, "batch_size": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            generator.sample(**bad)


def test_snapshots_are_kept_of_copies():
    rows = torch.randn(60, 2, generator=seeded())
    config = gan.GANTrainingConfig(n_images=60, batch_size=30)
    generator, discriminator = side_by_side()
    result = gan.train(
        generator, discriminator, rows, config=config, snapshots_at=[30], progress_bar=False
    )
    assert result.snapshots[30].shape == (64, 2)


@pytest.mark.parametrize("numbers", [(2, 4), (4, 2), (2, None), (None, 2)])
def test_copies_of_different_number_do_not_play(numbers):
    of_generator, of_discriminator = numbers
    generator = (
        gan.MLPGeneratorCopies(
            gan.MLPGeneratorCopiesConfig(**vars(GENERATOR), n_copies=of_generator)
        )
        if of_generator
        else gan.MLPGenerator(GENERATOR)
    )
    discriminator = (
        gan.MLPDiscriminatorCopies(
            gan.MLPDiscriminatorCopiesConfig(**vars(DISCRIMINATOR), n_copies=of_discriminator)
        )
        if of_discriminator
        else gan.MLPDiscriminator(DISCRIMINATOR)
    )
    with pytest.raises(ValueError, match="both must have the same n_copies, got"):
        trainer((generator, discriminator), losses.NON_SATURATING)


def test_a_copy_is_of_the_type_of_all_and_draws_no_random_numbers():
    networks = side_by_side()
    before = torch.get_rng_state()
    for network in networks:
        copy: Any = network.double().copy
        assert {p.dtype for p in copy(1).parameters()} == {torch.float64}
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("number", [-1, N_COPIES])
def test_a_copy_that_there_is_not_is_refused(number):
    for network in side_by_side():
        copy: Any = network.copy
        with pytest.raises(ValueError, match="number must be"):
            copy(number)


def test_the_trainer_of_copies_counts_the_images_of_all_of_them():
    before = torch.get_rng_state()
    config = gan.GANTrainingConfig(n_images=600, warmup_images=60, ema_half_life_images=1_000)
    player = gan.copies_trainer(
        gan.MLPGeneratorCopiesConfig(**vars(GENERATOR), n_copies=N_COPIES),
        gan.MLPDiscriminatorCopiesConfig(**vars(DISCRIMINATOR), n_copies=N_COPIES),
        loss=losses.NON_SATURATING,
        config=config,
        seed=0,
        rng=seeded(),
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert (player.config.n_images, player.config.warmup_images) == (1_800, 180)
    assert player.ema.half_life == 3_000
    assert player.config.batch_size == config.batch_size
    generator, discriminator = side_by_side()  # of the same seed
    for ours, theirs in ((player.generator, generator), (player.discriminator, discriminator)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("config", [gan.MLPGeneratorCopiesConfig, gan.MLPDiscriminatorCopiesConfig])
def test_there_is_at_least_one_copy(config):
    with pytest.raises(ValueError, match="n_copies must be at least 1, got 0"):
        config(n_copies=0)
