"""What is exported computes what the model computes, at any size, and nothing else is touched."""

import contextlib
import json
import re
import signal
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from aigc_tutorial import ar, deploy, evaluation, gan, zoo
from aigc_tutorial.deploy import exporting
from aigc_tutorial.deploy.exporting import TOLERANCE, relative_difference
from aigc_tutorial.deploy.graphs import EXAMPLE_SIZES, Graph, Port, graphs_of
from aigc_tutorial.files import sha256_of_file
from tests.ar.checks import random_tokens, randomize

BACKENDS = ("onnx", "torch")
LATENT = [name for name in zoo.names() if name.endswith("gan")]
TEXT = [name for name in zoo.names() if hasattr(zoo.load(name), "vocab_size")]
OTHERS = sorted(set(zoo.names()) - {*LATENT, *TEXT})


def transformer(**settings: Any) -> ar.Transformer:
    options = {"context": 6, "n_layers": 2, "n_heads": 2, "width": 8, **settings}
    return randomize(ar.Transformer(ar.TransformerConfig(7, **options)))


def tiny_generator() -> gan.MLPGenerator:
    return gan.MLPGenerator(gan.MLPGeneratorConfig(latent_dim=2, image_shape=(3,), hidden=(4,)))


@pytest.mark.parametrize("name", LATENT)
@pytest.mark.parametrize("batch", [1, 3, 17])
def test_a_generator_draws_the_same_images_in_batches_of_any_size(exported, rng, name, batch):
    assert batch != EXAMPLE_SIZES["batch"]
    model, folder = exported(name)
    inputs = [model.sample_latent(batch, rng=rng)]
    if model.n_classes is not None:
        inputs.append(torch.arange(batch) % model.n_classes)
    with torch.no_grad():
        expected = model(*inputs)
    for backend in BACKENDS:
        images = deploy.load(folder, backend=backend)(*inputs)
        assert relative_difference(images, expected) <= TOLERANCE


@pytest.mark.parametrize("name", OTHERS)
def test_a_classifier_and_a_pixelcnn_give_the_same_logits(exported, rng, name):
    model, folder = exported(name)
    if isinstance(model, evaluation.DigitClassifier):
        inputs = [torch.rand(5, *model.image_shape, generator=rng) * 2 - 1]
    else:
        n_levels = model.config.n_levels
        inputs = [torch.randint(n_levels, (5, *model.image_size), generator=rng)]
        if model.config.n_classes is not None:
            inputs.append(torch.arange(5))
    with torch.no_grad():
        expected = model(*inputs)
    for backend in BACKENDS:
        logits = deploy.load(folder, backend=backend)(*inputs)
        assert relative_difference(logits, expected) <= TOLERANCE


@pytest.mark.parametrize("name", TEXT)
def test_a_text_has_the_same_logits_at_any_length_up_to_the_context(exported, name):
    model, folder = exported(name)
    for backend in BACKENDS:
        reader = deploy.load(folder, backend=backend)
        for batch, length in ((1, 1), (3, 2), (2, model.context)):
            tokens = random_tokens(model, batch=batch, time=length)
            with torch.no_grad():
                expected = model(tokens)
            assert relative_difference(reader(tokens), expected) <= TOLERANCE


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TEXT)
def test_token_by_token_to_the_edge_of_the_context_is_the_whole_at_once(exported, name, backend):
    model, folder = exported(name)
    reader = deploy.load(folder, backend=backend)
    tokens = random_tokens(model, batch=3, time=model.context)
    with torch.no_grad():
        expected = model(tokens)
    state, n_shift = reader.run("model", tokens[:, :2]), model.config.token_shift
    cache = state["cache"]
    embeddings = torch.cat([torch.zeros(n_shift, 3, model.config.width), state["embeddings"]])
    for time in range(2, model.context):
        after = reader.run("step", tokens[:, time], cache, embeddings[-n_shift:])
        assert relative_difference(after["logits"], expected[:, time]) <= TOLERANCE
        cache = torch.cat([cache, after["new"]])
        embeddings = torch.cat([embeddings, after["new_embedding"]])


@pytest.mark.parametrize(
    "model",
    [
        transformer(token_shift=0),
        transformer(token_shift=2, tie_embeddings=True, activation="gelu"),
        randomize(ar.GPT2(ar.GPT2Config(7, 6, n_layers=2, n_heads=2, width=8))),
    ],
    ids=["no shift", "tied, gelu, shifted", "gpt-2"],
)
def test_other_architectures_of_text_go_on_from_their_cache(tmp_path, model):
    reader = deploy.load(deploy.export(model, tmp_path))
    tokens = random_tokens(model, batch=2, time=6)
    with torch.no_grad():
        expected = model(tokens)
    state = reader.run("model", tokens[:, :5])
    n_shift = getattr(model.config, "token_shift", 0)
    recent = [state["embeddings"][-n_shift:]] if n_shift else []
    found = reader.run("step", tokens[:, 5], state["cache"], *recent)
    assert relative_difference(found["logits"], expected[:, 5]) <= TOLERANCE


def test_a_context_of_one_token_has_no_step(tmp_path):
    deploy.export(transformer(context=1), tmp_path)
    assert not (tmp_path / "step.onnx").exists()
    assert list(deploy.load(tmp_path).manifest.graphs) == ["model"]


def test_a_context_of_two_tokens_has_one_step(tmp_path):
    model = transformer(context=2)
    reader = deploy.load(deploy.export(model, tmp_path))
    with torch.no_grad():
        expected = model(torch.tensor([[3, 5]]))
    state = reader.run("model", [[3]])
    found = reader.run("step", [5], state["cache"], state["embeddings"])
    assert relative_difference(found["logits"], expected[:, 1]) <= TOLERANCE


def test_a_model_in_training_is_exported_as_in_evaluation_and_stays_in_training(tmp_path, rng):
    model = gan.ConvGenerator(gan.ConvGeneratorConfig(latent_dim=3, channels=(4, 2))).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    deploy.export(model, tmp_path)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    z = torch.randn(4, 3, generator=rng)
    with torch.no_grad():
        expected = model.eval()(z)
    assert relative_difference(deploy.load(tmp_path)(z), expected) <= TOLERANCE


def test_the_manifest_says_what_there_is_to_know(exported):
    model, folder = exported("shakespeare-characters")
    values = json.loads((folder / "manifest.json").read_text())
    step = values["graphs"]["step"]
    assert values["model"] == "Transformer"
    assert values["config"]["width"] == model.config.width
    assert step["inputs"][0] == {
        "name": "token",
        "dtype": "int64",
        "shape": ["batch"],
        "low": 0,
        "high": 64,
    }
    assert step["sizes"]["past"] == [1, model.context - 1]
    assert step["traced_at"] not in step["checked_at"]
    assert 0 < step["largest_difference"] <= values["tolerance"] == TOLERANCE
    assert set(values["sha256"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert {"torch", "onnx", "onnxruntime", "opset"} <= values["versions"].keys()
    assert deploy.load(folder).manifest == deploy.Manifest.load(folder)


def test_the_onnx_file_has_the_names_of_the_manifest_and_no_path_of_this_machine(exported):
    _, folder = exported("mnist-conditional-gan")
    onnx.checker.check_model(folder / "model.onnx", full_check=True)
    graph = onnx.load(folder / "model.onnx").graph
    sizes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert [value.name for value in (*graph.input, *graph.output)] == ["z", "labels", "images"]
    assert sizes == [["batch", 64], ["batch"], ["batch", 1, 28, 28]]
    assert not re.search(rb"aigc_tutorial|\.py\b", (folder / "model.onnx").read_bytes())


def test_a_tokenizer_comes_along(exported):
    _, folder = exported("shakespeare-characters")
    assert deploy.load(folder).tokenizer == zoo.tokenizer("shakespeare-characters")


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    tokenizer = zoo.tokenizer("english-bytes")
    with pytest.raises(ValueError, match=r"256 tokens is not this model's.*has 7 tokens"):
        deploy.export(transformer(), tmp_path, tokenizer=tokenizer)
    with pytest.raises(ValueError, match="MLPGenerator reads no text"):
        deploy.export(tiny_generator(), tmp_path, tokenizer=tokenizer)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused(tmp_path):
    model = ar.NGramModel(ar.NGramConfig(7, order=2))
    with pytest.raises(TypeError, match="NGramModel cannot be exported; models of these classes"):
        deploy.export(model, tmp_path)
    broken = tiny_generator()
    with torch.no_grad():
        next(broken.parameters())[0, 0] = torch.nan
    with pytest.raises(ValueError, match="is not exported"):
        deploy.export(broken, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_strangers_file_is_not_replaced(tmp_path):
    (tmp_path / "model.onnx").write_text("somebody's own")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"model\.onnx, which no export wrote"):
        deploy.export(tiny_generator(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "notes.txt"}
    assert (tmp_path / "model.onnx").read_text() == "somebody's own"


def test_an_earlier_export_is_replaced_with_all_its_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    deploy.export(transformer(), tmp_path)
    deploy.export(tiny_generator(), tmp_path)
    expected = {"model.onnx", "model.pt2", "manifest.json", "notes.txt"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert deploy.load(tmp_path).manifest.model == "MLPGenerator"


@pytest.mark.parametrize("name", ["notes.txt", "../precious.txt"])
def test_a_manifest_that_names_other_files_has_none_of_them_removed(tmp_path, name):
    folder, kept = tmp_path / "export", tmp_path / "export" / name
    deploy.export(tiny_generator(), folder)
    kept.write_text("mine")
    values = json.loads((folder / "manifest.json").read_text())
    values["sha256"][name] = sha256_of_file(kept)
    (folder / "manifest.json").write_text(json.dumps(values))
    with contextlib.suppress(FileExistsError):
        deploy.export(tiny_generator(), folder)
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("bytes_free", [100, 20_000])
def test_a_full_disk_is_an_error_and_the_earlier_export_stays(tmp_path, bytes_free):
    resource = pytest.importorskip("resource")
    deploy.export(tiny_generator(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # what a full disk is not
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_free, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            deploy.export(transformer(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, earlier)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_whose_graph_is_another_is_refused(tmp_path):
    model = transformer()
    model.register_forward_hook(lambda _module, _inputs, logits: -logits)
    with pytest.raises(ValueError, match=r"model\.onnx is not the model: at .*logits differs"):
        deploy.export(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_export_is_the_same_whatever_numbers_are_by_default(tmp_path):
    model = transformer()
    torch.set_default_dtype(torch.float64)
    try:
        reader = deploy.load(deploy.export(model, tmp_path))
    finally:
        torch.set_default_dtype(torch.float32)
    tokens = random_tokens(model, batch=2, time=6)
    with torch.no_grad():
        assert relative_difference(reader(tokens), model(tokens)) <= TOLERANCE


class _ByItsLength(nn.Module):
    """Takes a mean over the length that the example had: what a trace at one length writes down."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=1) / int(EXAMPLE_SIZES["time"])


def test_a_graph_that_holds_at_the_examples_length_alone_is_found(tmp_path, monkeypatch):
    right = nn.Module()
    right.forward = lambda x: x.mean(dim=1)  # type: ignore[method-assign]
    port = Port("x", "float32", ("batch", "time"))
    graph = Graph("model", right, (port,), (Port("y", "float32", ("batch",)),), _SIZES)
    traced = Graph("model", _ByItsLength(), graph.inputs, graph.outputs, _SIZES)
    program = exporting._program
    monkeypatch.setattr(exporting, "_program", lambda graph: program(traced))
    with pytest.raises(ValueError, match=r"model\.onnx is not the model: at .*y differs"):
        exporting._write(graph, tmp_path)


_SIZES = {"batch": (1, 64), "time": (1, 9)}


def test_an_example_has_the_sizes_and_the_range_that_the_ports_say(rng):
    graph = graphs_of(transformer())[1]
    token, cache, recent = graph.example({"batch": 4, "past": 3}, rng=rng)
    assert token.shape == (4,)
    assert 0 <= int(token.min()) <= int(token.max()) < 7
    assert cache.shape == (3, 2, 2, 4, 2, 4)
    assert recent.shape == (1, 4, 8)


def test_relative_difference_is_a_share_of_one_and_the_value():
    expected = torch.tensor([0.0, 9.0])
    assert relative_difference(torch.tensor([0.5, 9.0]), expected) == 0.5
    assert np.isclose(relative_difference(torch.tensor([0.0, 8.0]), expected), 0.1)
    assert relative_difference(torch.zeros(3), expected) == float("inf")
