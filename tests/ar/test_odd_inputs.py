"""Odd but plausible inputs at the doors: strange arrays, the meta device, inference mode."""

import copy
import gc
from inspect import unwrap

import numpy as np
import pytest
import torch

from aigc_tutorial import ar, data
from aigc_tutorial.ar.checks import as_mask, as_training_data
from aigc_tutorial.ar.generation import pixels
from aigc_tutorial.ar.generation.sampling import draw


def tiny_model():
    return ar.WindowModel(ar.WindowConfig(5, window=2, embedding_dim=2, hidden_dim=4))


def test_arrays_that_torch_does_not_take_are_taken():
    mask = np.arange(10).reshape(2, 5) % 5 != 3
    reversed_mask = as_mask(mask[::-1, ::-1], torch.Size((2, 5)))
    assert torch.equal(reversed_mask, torch.from_numpy(mask).flip(0, 1))
    mask.flags.writeable = False
    assert torch.equal(as_mask(mask, torch.Size((2, 5))), reversed_mask.flip(0, 1))
    films = np.random.default_rng(0).random((2, 3, 4, 4)).astype(np.float32)
    frames = ar.FrameModel(ar.FrameModelConfig(width=2, n_layers=1))
    assert torch.equal(frames.nll(films[::-1]), frames.nll(films).flip(0))


def test_what_is_on_the_meta_device_is_refused_in_own_words(tmp_path):
    with torch.device("meta"):
        model = tiny_model()
    doors = [
        lambda: model.generate([1], max_new_tokens=1),
        lambda: model.save_pretrained(tmp_path),
        lambda: tiny_model().generate(torch.ones(1, dtype=torch.int64, device="meta"),
                                      max_new_tokens=1),
    ]  # fmt: skip
    for door in doors:
        with pytest.raises(ValueError, match="on the meta device"):
            door()


def test_what_is_begun_in_inference_mode_goes_on_outside():
    window, gpt2 = tiny_model(), ar.GPT2(ar.GPT2Config(5, 4, 1, 1, 4))
    images = ar.PixelCNN(ar.PixelCNNConfig((3, 3), width=2, n_layers=1))
    for make in (
        lambda: ar.stream(window, [1], max_new_tokens=9),
        lambda: ar.stream(gpt2, [1], max_new_tokens=9),
        lambda: pixels.stream(images, 2),
    ):
        with torch.inference_mode():
            steps = make()
            next(steps)
        assert len(list(steps)) == 8


def test_models_built_in_inference_mode_are_trained_or_refused(tmp_path):
    text, config = torch.arange(200) % 5, ar.ARTrainingConfig(n_tokens=64, batch_size=2, context=4)
    tiny_model().save_pretrained(tmp_path)
    recipe = ar.recipes.Recipe("tiny", ar.WindowModel, tiny_model().config, config)
    with torch.inference_mode():
        recipe.train(text, progress_bar=False)
        loaded, built = ar.WindowModel.from_pretrained(tmp_path), tiny_model()
    ar.train(loaded, text, config=config, progress_bar=False)
    with pytest.raises(ValueError, match="inference_mode"):
        ar.train(built, text, config=config, progress_bar=False)
    ar.train(copy.deepcopy(built), text, config=config, progress_bar=False)


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng must be a torch\.Generator"):
        unwrap(draw)(torch.ones(1, 2), rng=0)


def test_a_validation_is_a_function_and_may_return_a_loss_with_its_graph():
    text, config = torch.arange(200) % 5, ar.ARTrainingConfig(n_tokens=64, batch_size=2, context=4)
    with pytest.raises(TypeError, match="validation must be a function"):
        unwrap(ar.train)(tiny_model(), text, config=config, validation=3, progress_bar=False)
    held_out = text[None, :9]
    result = ar.train(
        tiny_model(),
        text,
        config=config,
        validation=lambda model: model.nll(held_out).mean(),
        progress_bar=False,
    )
    assert len(result.validation["nll"]) == 1


def test_images_of_truth_values_may_be_lists():
    model = ar.PixelCNN(ar.PixelCNNConfig((3, 3), width=2, n_layers=1))
    images = [[[True, False, True]] * 3] * 4
    assert as_training_data(model, images).tolist() == [[[1, 0, 1]] * 3] * 4


@pytest.mark.parametrize("config", [{"temperature": 0}, None, ar.SamplingConfig])
def test_how_a_token_is_chosen_is_told_by_a_sampling_config(config):
    model, logits = tiny_model(), torch.zeros(1, 5)
    doors = [
        lambda: unwrap(ar.stream)(model, [1], max_new_tokens=2, config=config),
        lambda: unwrap(ar.speculative_generate)(model, model, [1], max_new_tokens=2, config=config),
        lambda: unwrap(ar.WindowModel.generate_naively)(
            model, torch.ones(1, 1, dtype=torch.int64), max_new_tokens=2, config=config
        ),
        lambda: unwrap(ar.sampling.sample)(logits, config),
        lambda: unwrap(ar.sampling.process)(logits, config),
    ]
    for door in doors:
        with pytest.raises(TypeError, match=r"config must be of the class SamplingConfig.*write"):
            door()


def test_the_naive_loop_asks_for_a_batch():
    naively = unwrap(ar.WindowModel.generate_naively)
    with pytest.raises(ValueError, match=r"expected tokens of shape \(batch, time\)"):
        naively(tiny_model(), torch.tensor([1, 2]), max_new_tokens=2)


class NeverPadding(ar.Transformer):
    """Gives padding, token 0, no probability at all."""

    def logits_of(self, features):
        return super().logits_of(features).index_fill(-1, torch.tensor([0]), -torch.inf)


def test_padding_that_is_impossible_costs_nothing():
    torch.manual_seed(0)
    sizes = ar.TransformerConfig(5, context=4, n_layers=1, n_heads=1, width=4)
    model = NeverPadding(sizes)
    tokens, mask = data.pad_sequences([[1, 2, 3, 4], [1, 2]])
    nll = model.nll(tokens, mask)
    nll.sum().backward()
    assert nll[1, 1:].tolist() == [0, 0]
    assert nll.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    packed = model.nll(*data.pack_sequences([[1, 2], [1, 2]], 5))
    assert packed.isfinite().all()
    torch.testing.assert_close(packed.sum(), 2 * nll[1].sum())


TEXT, SHORT = torch.arange(400) % 5, ar.ARTrainingConfig(n_tokens=64, batch_size=2, context=4)


@pytest.mark.parametrize(
    ("validation", "kind", "message"),
    [
        (lambda: 1.0, TypeError, r"takes the model.*too many positional arguments"),
        (lambda model, held_out: 1.0, TypeError, r"missing a required argument: 'held_out'"),
        (
            lambda model: model.nll(TEXT[None, :9]),
            ValueError,
            r"got \(1, 8\) of them; return",
        ),
        (lambda model: np.ones(2), ValueError, r"got \(2,\) of them"),
    ],
)
def test_a_validation_takes_a_model_and_returns_one_number(validation, kind, message):
    with pytest.raises(kind, match=message):
        ar.train(tiny_model(), TEXT, config=SHORT, validation=validation, progress_bar=False)


@pytest.mark.parametrize("loss", [np.ones(1), torch.ones(1, 1), np.float32(1), 1])
def test_one_number_may_come_in_an_array(loss):
    result = ar.train(
        tiny_model(), TEXT, config=SHORT, validation=lambda model: loss, progress_bar=False
    )
    assert result.validation["nll"] == [1]


def test_nothing_is_measured_twice_after_one_step():
    """Whoever takes the tokens of ``validate_every`` for steps would wait for hours."""
    result = ar.train(
        tiny_model(),
        TEXT,
        config=SHORT,
        validation=lambda model: 1.0,
        validate_every=1,
        progress_bar=False,
    )
    assert result.validation["n_tokens"] == list(range(8, 65, 8))


def test_a_stream_and_its_model_are_thrown_away_together_in_silence():
    model = tiny_model()
    model.steps = ar.stream(model, [1], max_new_tokens=9)
    next(model.steps)
    del model
    gc.collect()  # pytest makes a warning, and so an error, of what a finaliser raises
