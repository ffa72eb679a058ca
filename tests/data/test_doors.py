"""What data sets, batches and made-up data do with what they cannot use."""

import math
from collections.abc import Callable
from inspect import unwrap
from typing import Any

import numpy as np
import pytest
import torch

from aigc_tutorial import data, evaluation
from aigc_tutorial.ar import FrameModel
from aigc_tutorial.data import ImageDataset, Source
from aigc_tutorial.data.poems import Poem
from aigc_tutorial.data.synthetic.pretext import quarter_turns
from aigc_tutorial.data.synthetic.toy import ToyDistribution
from aigc_tutorial.tokenizers import ByteTokenizer

SOURCE = Source("embedded", "here", "made up")


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _digits() -> torch.Tensor:
    images = torch.full((3, 1, 28, 28), -1.0, dtype=torch.float32, device="cpu")
    images[:, :, 8:20, 10:14] = 1
    return images


def _vowels() -> list[torch.Tensor]:
    vowels = data.synthetic_vowels(5, rng=seeded(), n_samples=200)
    return [vowels.waveforms, vowels.lengths, vowels.pitches]


MADE: dict[str, Callable[[], list[torch.Tensor]]] = {
    "binarise": lambda: [
        data.binarise(
            torch.full((50_000,), -0.996, dtype=torch.float32, device="cpu"), rng=seeded()
        )
    ],
    "films": lambda: [data.moving_digits(_digits(), 20, rng=seeded())],
    "vowels": _vowels,
    "melodies": lambda: [data.MelodyStyle().sample(50, 6, rng=seeded())],
    "sound": lambda: [data.render_melody([data.Note(69, 1)])],
    "xor": lambda: [data.XORChain().sample(200, 50, rng=seeded())],
    "ring chain": lambda: [data.ring_chain().sample(20, 50, rng=seeded())],
    "recall": lambda: list(data.RecallTask().sample(500, rng=seeded())),
    "ring": lambda: [data.ring().centres, data.ring().sample(5, rng=seeded())],
    "grid": lambda: [data.grid().centres, data.grid(4).sample(5, rng=seeded())],
    "bins": lambda: [data.PlaneBins().to_points([[64, 3, 9]] * 5, rng=seeded())],
    "spiral": lambda: [data.spiral().centres, data.spiral().sample(5, rng=seeded())],
}
"""What is made from a seed, a tensor or several of it."""


class TestImages:
    """Pixels, images in [-1, 1], and data sets of them."""

    def test_pixels_of_any_whole_type(self):
        pixels = torch.arange(256)
        expected = data.pixels_to_images(pixels.to(torch.uint8))
        assert expected[[0, 255]].tolist() == [-1, 1]
        for other in (pixels, pixels.int(), pixels.numpy(), pixels.numpy().astype(np.uint8)):
            assert torch.equal(data.pixels_to_images(other), expected)
        assert torch.equal(data.images_to_pixels(expected.double().numpy()), pixels.to(torch.uint8))

    @pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.uint64])
    def test_pixels_of_types_that_torch_half_supports(self, kind):
        pixels = np.arange(256, dtype=kind)
        expected = data.pixels_to_images(torch.arange(256))
        assert torch.equal(data.pixels_to_images(pixels), expected)
        assert torch.equal(data.pixels_to_images(torch.from_numpy(pixels)), expected)
        with pytest.raises(ValueError, match="0 … 255, got 0 to 256"):
            data.pixels_to_images(np.arange(257, dtype=kind))

    def test_half_a_precision_is_computed_with_in_full(self):
        for kind in (torch.bfloat16, torch.float16):
            images = torch.linspace(-1, 1, 999).to(kind)
            whole = images.float()
            assert torch.equal(data.images_to_pixels(images), data.images_to_pixels(whole))
            for n_levels in (2, 16, 256):
                assert torch.equal(data.quantise(images, n_levels), data.quantise(whole, n_levels))
            drawn = data.binarise(images, rng=seeded())
            assert torch.equal(drawn, data.binarise(whole, rng=seeded()))
            assert torch.equal(data.mu_law_encode(images), data.mu_law_encode(whole))

    def test_images_and_sound_in_whatever_holds_them(self):
        images = torch.linspace(-1, 1, 16).view(4, 2, 2)
        sound = torch.linspace(-1, 1, 9)
        other: Any
        for other in (images.numpy(), images.tolist(), list(images), list(images.numpy())):
            assert torch.equal(data.quantise(other, 4), data.quantise(images, 4))
            assert torch.equal(data.images_to_pixels(other), data.images_to_pixels(images))
        tokens = data.mu_law_encode(sound)
        for other in (sound.numpy(), sound.tolist()):
            assert torch.equal(data.mu_law_encode(other), tokens)
        for other in (tokens.numpy(), tokens.tolist(), tokens.to(torch.uint8)):
            assert torch.equal(data.mu_law_decode(other), data.mu_law_decode(tokens))

    def test_another_default_type(self):
        images = torch.full((3, 1, 28, 28), -1.0)
        images[:, :, 8:20, 10:14] = 1
        expected = data.moving_digits(images, 2, rng=seeded())
        torch.set_default_dtype(torch.float64)
        try:
            films = data.moving_digits(images, 2, rng=seeded())
        finally:
            torch.set_default_dtype(torch.float32)
        assert films.dtype == torch.float32
        assert films.shape == expected.shape
        assert films.unique().tolist() == [0, 1]

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    @pytest.mark.parametrize("make", MADE.values(), ids=MADE)
    def test_what_a_seed_makes_does_not_depend_on_the_default_type(self, make, dtype):
        """In bfloat16 a probability of 0.2 % was drawn as 0.4 %."""
        expected = make()
        torch.set_default_dtype(dtype)
        try:
            found = make()
        finally:
            torch.set_default_dtype(torch.float32)
        for a, b in zip(found, expected, strict=True):
            assert torch.equal(a, b)
            assert a.dtype == b.dtype

    @pytest.mark.parametrize("make", MADE.values(), ids=MADE)
    def test_nor_on_the_default_device(self, make):
        expected = make()
        with torch.device("meta"):  # where nothing can be computed; a reader's is a GPU
            found = make()
        for a, b in zip(found, expected, strict=True):
            assert torch.equal(a, b)

    def test_what_is_no_pixel(self):
        for wrong in (torch.rand(3), torch.tensor([True]), torch.tensor([-1]), torch.tensor([256])):
            with pytest.raises(ValueError, match="pixels must"):
                data.pixels_to_images(wrong)

    def test_what_is_no_image(self):
        with pytest.raises(ValueError, match="may be pixels already"):
            data.images_to_pixels(torch.zeros(3, dtype=torch.uint8))
        with pytest.raises(ValueError, match="NaN"):
            data.images_to_pixels(torch.tensor([0.0, math.nan]))
        with pytest.raises(ValueError, match=r"Images in \[0, 1\] become so by 2 \* images - 1"):
            data.images_to_pixels(torch.rand(2, 1, 8, 8).sub(0.5).clamp(min=0).mul(2))
        with pytest.raises(ValueError, match=r"got 0 to 255: .* become white.*pixels_to_images"):
            data.images_to_pixels(torch.arange(256).float().view(4, 1, 8, 8))

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (torch.rand(4, 1, 2, 2), r"2 \* images - 1"),
            (torch.full((4, 1, 2, 2), math.nan), "NaN"),
            (3 * torch.eye(2).expand(4, 1, 2, 2) - 2, "normalisation"),
        ],
    )
    def test_data_set_of_another_range(self, images, message):
        with pytest.raises(ValueError, match=message):
            ImageDataset(images, torch.zeros(4, dtype=torch.int64), SOURCE)

    def test_films_of_another_range(self):
        with pytest.raises(ValueError, match=r"2 \* images - 1"):
            data.moving_digits(torch.rand(3, 1, 28, 28), 2, rng=seeded())


class TestBatches:
    """Shuffled rows."""

    @pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, 2.0])
    def test_batch_size(self, batch_size):
        with pytest.raises((ValueError, TypeError)):
            data.ShuffledBatches(torch.zeros(4), batch_size, rng=seeded())

    def test_tensors_that_do_not_belong_together(self):
        for rows in ((), (torch.zeros(4), torch.zeros(4, device="meta"))):
            with pytest.raises(ValueError, match="one tensor or more, all on one device"):
                data.ShuffledTuples(rows, 2, rng=seeded())


class TestMadeUp:
    """Counts below one, and numbers that no formula describes."""

    @pytest.mark.parametrize("n", [0, -1])
    def test_counts(self, n):
        draws: list[Any] = [
            lambda: data.ring().sample(n, rng=seeded()),
            lambda: data.ring_chain().sample(n, 3, rng=seeded()),
            lambda: data.ring_chain().sample(3, n, rng=seeded()),
            lambda: data.XORChain().sample(n, 3, rng=seeded()),
            lambda: data.CopyTask().sample(n, rng=seeded()),
            lambda: data.RecallTask().sample(n, rng=seeded()),
            lambda: data.DelayTask().sample(n, rng=seeded()),
            lambda: data.date_pairs("train", n, rng=seeded()),
            lambda: data.synthetic_vowels(n, rng=seeded()),
            lambda: data.MelodyStyle().sample(n, 4, rng=seeded()),
        ]
        for draw in draws:
            with pytest.raises(ValueError, match="must be at least 1"):
                draw()

    @pytest.mark.parametrize("std", [0.0, -1.0, math.nan, math.inf])
    def test_width_of_a_mode(self, std):
        with pytest.raises(ValueError, match="standard deviation"):
            data.ring(std=std)

    def test_centres_and_modes(self):
        with pytest.raises(ValueError, match="NaN or infinite"):
            ToyDistribution("x", torch.tensor([[0.0, math.nan]]), torch.zeros(1).long(), 1.0)
        with pytest.raises((ValueError, TypeError)):
            ToyDistribution("x", torch.zeros(2, 2), torch.zeros(1).long(), 1.0)

    def test_many_points_are_as_few_at_a_time(self):
        spiral = data.spiral()
        x = spiral.sample(20_000, rng=seeded())
        for measure in (spiral.log_density, spiral.assign_modes, spiral.is_high_quality):
            assert torch.equal(measure(x), torch.cat([measure(part) for part in x.split(7_000)]))

    def test_chain_that_is_no_square(self):
        with pytest.raises((ValueError, TypeError)):
            data.MarkovChain(torch.full((2, 3), 1 / 3, dtype=torch.float64))

    def test_sound(self):
        with pytest.raises(ValueError, match="NaN"):
            data.mu_law_encode(torch.tensor([0.0, math.nan]))


class TestText:
    """What is no text."""

    def test_one_string_is_no_poem(self):
        with pytest.raises(TypeError):
            Poem("title", "author", "床前明月光")  # type: ignore[arg-type]

    def test_a_text_is_one_string(self):
        for wrong in (b"bytes", ["a", "b"]):
            with pytest.raises(TypeError):
                data.TextDataset(wrong, SOURCE)  # type: ignore[arg-type]


class TestWhatWasTakenSilently:
    """Sizes, types and folders that gave wrong results or foreign words."""

    @pytest.mark.parametrize("shape", [(4, 3, 28, 28), (4, 1, 32, 32), (4, 1, 24, 24)])
    def test_films_of_other_images(self, shape):
        with pytest.raises(ValueError, match="grey digits of 28 × 28"):
            data.moving_digits(2 * torch.rand(shape, generator=seeded()) - 1, 2, rng=seeded())

    def test_chains_of_other_types(self):
        rows = [[0.5, 0.5], [0.25, 0.75]]
        expected = data.MarkovChain(torch.tensor(rows, dtype=torch.float64)).entropy_rate
        for dtype in (torch.float32, torch.float16):
            chain = data.MarkovChain(torch.tensor(rows, dtype=dtype))
            assert chain.entropy_rate == expected
            assert chain.sample(3, 4, rng=seeded()).shape == (3, 4)
        with pytest.raises(ValueError, match="probability distribution"):
            data.MarkovChain(torch.tensor([[math.nan, 1.0], [0.5, 0.5]], dtype=torch.float64))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_points_of_half_a_precision_are_compared_in_full(self, dtype):
        """Centres in bfloat16 lie up to a third of a standard deviation beside themselves."""
        ring = data.ring()
        points = ring.sample(1000, rng=seeded()).to(dtype)
        assert torch.equal(ring.is_high_quality(points), ring.is_high_quality(points.float()))
        assert torch.equal(ring.log_density(points), ring.log_density(points.float()))

    def test_toys_without_centres_or_with_a_truth_value_of_modes(self):
        with pytest.raises(ValueError, match="at least one point of the plane"):
            ToyDistribution("x", torch.empty(0, 2), torch.empty(0, dtype=torch.int64), 1.0)
        # A fraction is refused too, but the shape checks of the tests would be first.
        for make in (data.ring, data.grid, data.spiral):
            with pytest.raises(ValueError, match="must be at least 1"):
                make(True)

    def test_parts_of_a_data_set(self):
        labels = torch.tensor([0, 1, 0, 1])
        images = (torch.arange(4.0) / 2 - 1).view(4, 1, 1, 1).expand(4, 1, 2, 2)
        dataset = ImageDataset(images, labels, SOURCE)
        expected = dataset.subset(torch.tensor([1, 3])).images
        for same in ([1, 3], np.array([1, 3]), torch.tensor([1, 3]).int(), labels == 1):
            assert torch.equal(dataset.subset(same).images, expected)
        assert torch.equal(dataset.subset(labels.numpy() == 1).images, expected)
        with pytest.raises(ValueError, match=r"indices below 4.*got 0 to 4"):
            dataset.subset([0, 4])
        with pytest.raises(ValueError, match="one truth value for each of 4"):
            dataset.subset(torch.tensor([True]))
        with pytest.raises(ValueError, match="whole numbers"):
            dataset.subset(torch.tensor([0.0]))

    def test_a_folder_that_lacks_a_file(self, tmp_path, monkeypatch):
        monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path / "cache"))
        folder = tmp_path / "tang"
        folder.mkdir()
        for start in range(0, 57_000, 1000):
            (folder / f"poet.tang.{start}.json").write_bytes(b"[]")
        with pytest.warns(data.DataFallbackWarning, match=r"lacks 1 of 58 files.*\.57000\.json"):
            data.tang_poems(root=tmp_path, offline=True)

    def test_a_folder_too_deep(self, tmp_path, monkeypatch):
        monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path / "cache"))
        raw = tmp_path / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
            (raw / name).touch()
        for root in (raw, raw.parent):
            with pytest.warns(
                data.DataFallbackWarning, match=rf"lacks 2 of 2.*It is in {tmp_path}: name that"
            ):
                data.mnist(root=root, offline=True)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (ToyDistribution.sample, (data.ring(), 3)),
        (data.ShuffledBatches.__init__, (object.__new__(data.ShuffledBatches), _digits(), 2)),
        (data.BinarisedBatches.__init__, (object.__new__(data.BinarisedBatches), [])),
        (data.binarise, (_digits(),)),
        (data.CopyTask.sample, (data.CopyTask(), 3)),
        (data.RecallTask.sample, (data.RecallTask(), 3)),
        (data.DelayTask.sample, (data.DelayTask(), 3)),
        (data.MarkovChain.sample, (data.ring_chain(), 3, 4)),
        (data.XORChain.sample, (data.XORChain(), 3, 4)),
        (data.MelodyStyle.sample, (data.MelodyStyle(), 3, 4)),
        (data.weather_bulletins, (3,)),
        (data.date_pairs, ("train", 3)),
        (data.synthetic_vowels, (3,)),
        (FrameModel.continue_films, (FrameModel(), torch.zeros(1, 2, 4, 4), 1)),
        (data.moving_digits, (_digits(), 2)),
        (quarter_turns, (_digits(),)),
        (data.PlaneBins.to_points, (data.PlaneBins(), [[64, 1, 2]])),
        (evaluation.random_affine, (_digits(), evaluation.ClassifierTrainingConfig())),
        (evaluation.kernel_distance, (_digits()[:, 0, 0], _digits()[:, 0, 0])),
        (evaluation.classifier_two_sample_test, (_digits(), _digits())),
    ],
)
@pytest.mark.parametrize("rng", [7, np.random.default_rng(7)])
def test_a_seed_is_no_source_of_randomness(function, arguments, rng):
    with pytest.raises(TypeError, match=r"rng must be a torch\.Generator.*manual_seed\(seed\)"):
        unwrap(function)(*arguments, rng=rng)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (data.pad_sequences, r"padding must be a token, got None: the tokenizer has none"),
        (
            lambda s, padding: unwrap(data.pack_sequences)(s, 4, padding=padding),
            r"got None: the tokenizer",
        ),
    ],
)
def test_a_tokenizer_without_padding_has_no_token_for_it(make, message):
    with pytest.raises(ValueError, match=message):
        unwrap(make)([[1, 2], [1, 2, 3]], padding=ByteTokenizer().pad_id)


@pytest.mark.parametrize(
    "rows",
    [torch.ones(3, 4), (np.ones(3), np.ones(3)), np.ones((3, 2)), (torch.ones(3), [1, 2, 3]),
     (torch.tensor(1.0),)],
)  # fmt: skip
def test_what_belongs_together_is_a_tuple_of_tensors(rows):
    with pytest.raises(TypeError, match="rows must be a tuple of tensors that belong together"):
        unwrap(data.ShuffledTuples.__init__)(
            object.__new__(data.ShuffledTuples), rows, 2, rng=seeded()
        )


def test_a_window_is_a_whole_number_of_tokens():
    for sizes in ((4.0, 2), (4, True), (0, 2)):
        with pytest.raises(ValueError, match="must be at least 1"):
            unwrap(data.TokenWindows.__init__)(
                object.__new__(data.TokenWindows), torch.arange(100), *sizes, rng=seeded()
            )


class TestMelodies:
    """Tokens of melodies, one or several, and their notes."""

    style = data.MelodyStyle()

    def test_one_melody_is_decoded_from_whatever_holds_it(self):
        tokens = self.style.sample(2, 5, rng=seeded())[1]
        notes = self.style.decode(tokens)
        for same in (tokens.tolist(), tokens.numpy(), tokens.to(torch.int16)):
            assert unwrap(data.MelodyStyle.decode)(self.style, same) == notes
        expected = self.style.log_probability(tokens[None])
        found = unwrap(data.MelodyStyle.log_probability)(self.style, [tokens.tolist()])
        assert torch.equal(found, expected)

    def test_a_batch_is_decoded_row_by_row_and_scored_as_a_batch(self):
        tokens = self.style.sample(2, 5, rng=seeded())
        with pytest.raises(ValueError, match=r"one melody, got the shape \(2, 6\); decode row by"):
            unwrap(data.MelodyStyle.decode)(self.style, tokens)
        with pytest.raises(ValueError, match=r"one melody a row.*melody\[None\]"):
            unwrap(data.MelodyStyle.log_probability)(self.style, tokens[0])

    @pytest.mark.parametrize(
        "call",
        [
            data.render_melody,
            lambda melody: unwrap(data.share_in_scale)(melody, data.MelodyStyle()),
        ],
    )
    def test_tokens_are_no_notes(self, call):
        tokens = self.style.sample(2, 5, rng=seeded())[0]
        for melody in (tokens, tokens.tolist()):
            with pytest.raises(ValueError, match=r"a list of notes.*style\.decode\(tokens\)"):
                unwrap(call)(melody)
