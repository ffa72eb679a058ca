"""Explorers and figures of sequence models: they show the right numbers and need no kernel."""

import json
import math
import re
from typing import Any

import ipywidgets as ipw
import numpy as np
import pytest
import torch

from aigc_tutorial import ar, tokenizers, viz
from aigc_tutorial.ar.generation.sampling import process
from aigc_tutorial.viz.tokens import bars, coloured
from tests.ar.checks import randomize
from tests.viz.widgets.test_latents import links, of_kind, states

TEXT = "to be or not to be"


@pytest.fixture
def tokenizer():
    return tokenizers.CharacterTokenizer.from_text(TEXT)


@pytest.fixture
def model(tokenizer):
    config = ar.TransformerConfig(tokenizer.vocab_size, context=20, n_layers=2, n_heads=2, width=16)
    torch.manual_seed(0)
    return randomize(ar.Transformer(config))


def percentages(picture):
    """What stands beside the bars; nan for a token that was removed."""
    texts = re.findall(r">([\d.]+ %|–)</text>", picture)
    return [math.nan if text == "–" else float(text.split()[0]) for text in texts]


def test_invisible_characters_are_shown():
    assert viz.visible("a b\n") == "a␣b⏎"


def test_every_token_has_a_name():
    letters = tokenizers.CharacterTokenizer.from_text("ab ", special_tokens=("bos", "eos"))
    assert viz.token_labels(letters) == ["␣", "a", "b", "⟨bos⟩", "⟨eos⟩"]
    names = viz.token_labels(tokenizers.ByteTokenizer())
    assert len(names) == 256
    assert names[65] == "A"
    assert names[200] == "#200", "half of a character has no text"


def test_bars_say_their_numbers():
    p = torch.tensor([0.5, 0.25, 0.25, 0.0])
    picture = bars(p, ["<", "b", "c", "d"], n_shown=2, marked=3, before=p.flip(0), alt='"x"')
    assert percentages(picture) == pytest.approx([50, 25, math.nan], nan_ok=True)
    assert "&lt;</text>" in picture
    assert 'aria-label="&quot;x&quot;"' in picture
    widths = [float(w) for w in re.findall(r'width="([\d.]+)" height="13" fill="#', picture)]
    assert widths[0] == pytest.approx(2 * widths[1], rel=1e-3)
    assert widths[2] == 0


def test_coloured_text_keeps_the_text():
    picture = coloured(["a", "\n", "<"], [math.nan, 0.0, 9.0], largest=3.0)
    assert re.sub(r"<[^>]*>", "", picture) == "a\n&lt;"
    assert picture.count("outline") == 1
    assert picture.count("background") == 1
    assert "0.60" in picture, "a value above the largest has the deepest colour"


def test_surprise_shows_text_and_numbers(monkeypatch):
    shown: list[Any] = []
    monkeypatch.setattr("aigc_tutorial.viz.tokens.show", shown.append)
    viz.surprise(["a", "b"], torch.tensor([math.nan, 2.0]), caption="two")
    for same in ([math.nan, 2.0], np.array([math.nan, 2.0])):
        viz.surprise(["a", "b"], same, caption="two")
    assert len({str(picture.html) for picture in shown}) == 1
    assert shown[0].plain == "two\nab\nnan 2.0"
    assert "<p>two</p>" in shown[0].html


def test_next_token_explorer_holds_the_model_s_probabilities(model, tokenizer):
    explorer = viz.widgets.next_token_explorer(model, tokenizer, [TEXT], start=3, n_shown=4)
    (slider,) = of_kind(explorer, ipw.IntSlider)
    (play,) = of_kind(explorer, ipw.Play)
    (stack,) = of_kind(explorer, ipw.Stack)
    assert (slider.min, slider.value, slider.max) == (3, 3, len(TEXT) - 1)
    assert (play.min, play.max) == (slider.min, slider.max)
    assert len(stack.children) == slider.max + 1, "the last frame can be reached"
    assert (slider.model_id, "value", stack.model_id, "selected_index") in links(explorer)
    tokens = tokenizer.encode(TEXT)
    for t in (3, 9, len(TEXT) - 1):
        with torch.no_grad():
            p = model(tokens[None, :t])[0, -1].softmax(-1)
        picture = stack.children[t].value
        best = [round(100 * float(x), 1) for x in p.topk(4).values]
        assert percentages(picture)[:4] == pytest.approx(best, abs=0.11)
        assert f"{TEXT[:t]}▁" in picture


def test_several_texts_are_chosen_by_buttons(model, tokenizer):
    explorer = viz.widgets.next_token_explorer(model, tokenizer, [TEXT, "to be", "bee"])
    (buttons,) = of_kind(explorer, ipw.ToggleButtons)
    outer = of_kind(explorer, ipw.Stack)[0]
    assert len(outer.children) == len(buttons.options) == 3
    assert (buttons.model_id, "index", outer.model_id, "selected_index") in links(explorer)


def test_what_was_trained_after_a_beginning_is_asked_after_it():
    tokenizer = tokenizers.CharacterTokenizer.from_text(TEXT, special_tokens=("bos", "eos"))
    config = ar.TransformerConfig(tokenizer.vocab_size, context=20, n_layers=2, n_heads=2, width=16)
    torch.manual_seed(0)
    model = randomize(ar.Transformer(config))
    tokens = torch.cat([torch.tensor([tokenizer.bos_id]), tokenizer.encode(TEXT)])
    with torch.no_grad():
        p = model(tokens[None])[0].softmax(-1)  # row t: after bos and t characters
    explorer = viz.widgets.next_token_explorer(model, tokenizer, [TEXT], n_shown=3)
    stack = of_kind(explorer, ipw.Stack)[0]
    for t in (1, 7, len(TEXT) - 1):
        best = [100 * float(x) for x in p[t].topk(3).values]
        assert percentages(stack.children[t].value)[:3] == pytest.approx(best, abs=0.06)
    (field,) = of_kind(explorer, ipw.Text)
    result = explorer.children[-1].children[-1]
    for written, row in (("to", 2), ("", 0)):
        field.value = written
        best = [100 * float(x) for x in p[row].topk(3).values]
        assert percentages(result.value) == pytest.approx(best, abs=0.06)
    looking = viz.widgets.attention_explorer(model, tokenizer, TEXT, heads=[(0, 0)])
    view = of_kind(looking, ipw.Stack)[1]
    assert len(view.children) == len(tokens)
    expected = model.attention_maps(tokens[None])[0, 0, 0, 7]
    assert f"takes most, {100 * float(expected.max()):.0f} %" in view.children[7].value
    assert "⟨bos⟩" in view.children[7].value


def test_a_model_in_training_is_asked_as_it_will_be_used(model, tokenizer):
    modes = []
    model.train().register_forward_hook(lambda module, *_: modes.append(module.training))
    explorer = viz.widgets.next_token_explorer(model, tokenizer, [TEXT])
    of_kind(explorer, ipw.Text)[0].value = "to"
    assert modes == [False, False]
    assert model.training


def test_a_live_kernel_offers_a_field_to_type_into(model, tokenizer):
    explorer = viz.widgets.next_token_explorer(model, tokenizer, [TEXT], n_shown=3)
    (field,) = of_kind(explorer, ipw.Text)
    box = explorer.children[-1]
    assert box.layout.display == "none", "a static page must not show a dead field"
    of_kind(explorer, ipw.IntSlider)[0].value = 2  # as a browser does
    assert box.layout.display == ""
    result = box.children[-1]
    long = "to be or not to be " * 3  # longer than the context: the end of it counts
    for written in ("to", long):
        field.value = written
        with torch.no_grad():
            p = model(tokenizer.encode(written)[None, -20:])[0, -1].softmax(-1)
        best = [round(100 * float(x), 1) for x in p.topk(3).values]
        assert percentages(result.value) == pytest.approx(best, abs=0.11)
    field.value = "to z"
    assert "not among the" in result.value
    field.value = ""
    assert result.value == ""


def test_texts_that_cannot_be_shown_are_refused(model, tokenizer):
    with pytest.raises(ValueError, match="no text"):
        viz.widgets.next_token_explorer(model, tokenizer, [])
    with pytest.raises(ValueError, match="need more than start=2"):
        viz.widgets.next_token_explorer(model, tokenizer, ["to"], start=2)
    with pytest.raises(ValueError, match="at most 20 tokens"):
        viz.widgets.next_token_explorer(model, tokenizer, [TEXT * 2])


def test_sampling_explorer_holds_every_setting():
    logits = 2 * torch.randn(30, generator=torch.Generator().manual_seed(0))
    labels = [str(i) for i in range(30)]
    temperatures, filters = (0.5, 1.0), {"top_k": (30, 2), "top_p": (1.0, 0.5)}
    explorer = viz.widgets.sampling_explorer(
        logits, labels, n_shown=5, temperatures=temperatures, filters=filters
    )
    chosen, *_ = of_kind(explorer, ipw.Stack)
    order = logits.argsort(descending=True)[:5]
    for panel, (key, settings) in zip(chosen.children, filters.items(), strict=True):
        (by_temperature,) = (w for w in panel.children if isinstance(w, ipw.Stack))
        assert by_temperature.selected_index == 1
        for row, temperature in zip(by_temperature.children, temperatures, strict=True):
            for picture, setting in zip(row.children, settings, strict=True):
                changes: dict[str, Any] = {key: setting}
                config = ar.SamplingConfig(temperature=temperature, **changes)
                p = process(logits, config).softmax(-1)
                expected = [100 * float(x) if x > 0 else math.nan for x in p[order]]
                assert percentages(picture.value) == pytest.approx(expected, abs=0.06, nan_ok=True)
                assert f"{int((p > 0).sum())} of 30 tokens" in picture.value
    sliders = of_kind(explorer, ipw.SelectionSlider)
    sources = {source for source, *_ in links(explorer)}
    assert {slider.model_id for slider in sliders} <= sources, "every slider moves something"


def test_sampling_explorer_counts_as_removed_what_was_removed():
    logits = torch.linspace(-15, 15, 65)  # at a temperature of 0.25, float32 rounds nine to 0
    explorer = viz.widgets.sampling_explorer(
        logits.numpy(),
        [str(i) for i in range(65)],
        n_shown=65,
        temperatures=(0.25, 1.0),
        filters={"top_p": (1.0,), "top_k": (64,)},
    )
    counts = {"top-p 1": 65, "top-k 64": 64}
    pictures = [box.value for box in of_kind(explorer, ipw.HTML) if "tokens are left" in box.value]
    assert len(pictures) == 4
    for value in pictures:
        (n_left,) = {n for name, n in counts.items() if name in value}
        assert f"{n_left} of 65 tokens are left" in value
        assert value.count("–</text>") == 65 - n_left


def test_attention_explorer_shows_the_maps(model, tokenizer):
    explorer = viz.widgets.attention_explorer(
        model, tokenizer, TEXT, heads=[(0, 1), (1, 0)], start=7
    )
    (slider,) = of_kind(explorer, ipw.IntSlider)
    chosen, *views = of_kind(explorer, ipw.Stack)
    assert slider.value == 7
    assert len(chosen.children) == len(views) == 2
    maps = model.attention_maps(tokenizer.encode(TEXT)[None])[:, 0]
    for view, (layer, head) in zip(views, [(0, 1), (1, 0)], strict=True):
        assert len(view.children) == len(TEXT)
        assert (slider.model_id, "value", view.model_id, "selected_index") in links(explorer)
        row = maps[layer, head, 7]
        assert f"takes most, {100 * float(row.max()):.0f} %" in view.children[7].value
        assert view.children[7].value.count("outline") == 1


def test_explorers_stay_small(model, tokenizer):
    explorers = [
        viz.widgets.next_token_explorer(model, tokenizer, [TEXT]),
        viz.widgets.sampling_explorer(torch.randn(100), [str(i) for i in range(100)]),
        viz.widgets.attention_explorer(model, tokenizer, TEXT, heads=[(0, 0), (1, 1)]),
    ]
    for explorer in explorers:
        assert len(json.dumps(states(explorer))) < 1_000_000


def test_nll_curves_have_a_line_for_each_run():
    seen = list(range(0, 1000, 2))
    curves = {"training": (seen, [1.0] * 500), "held out": ([0, 500, 999], [3.0, 2.0, 1.0])}
    ax = viz.nll_curves(curves, window=10)
    labelled = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert [line.get_label() for line in labelled] == ["training", "held out"]
    assert list(np.asarray(labelled[1].get_ydata())) == [3.0, 2.0, 1.0], (
        "few points are shown as they are"
    )
    with pytest.raises(ValueError, match="no curve"):
        viz.nll_curves({})


def test_maps_of_one_text_by_another_name_both():
    matrix = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    ax = viz.token_maps({"": matrix}, list("abc"), column_labels=list("vwxyz")).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == list("abc")
    assert [label.get_text() for label in ax.get_xticklabels()] == list("vwxyz")


def test_maps_are_drawn_for_every_head(model, tokenizer):
    labels = list(TEXT[:6])
    maps = model.attention_maps(tokenizer.encode(TEXT[:6])[None])[:, 0]
    figure = viz.attention_maps(maps, labels)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"layer {i}, head {j}" for i in (1, 2) for j in (1, 2)]
    image = figure.axes[2].images[0].get_array()
    assert image is not None
    assert torch.allclose(torch.as_tensor(image.data), maps[1, 0].double())
    with pytest.raises(ValueError, match="no map"):
        viz.token_maps({}, labels)


def test_sampling_explorer_refuses_what_it_cannot_show():
    explore, logits = viz.widgets.sampling_explorer, torch.zeros(3)
    with pytest.raises(ValueError, match=r"1 must be among the temperatures, .* got \(0.5, 2.0\)"):
        explore(logits, list("abc"), temperatures=(0.5, 2.0))
    for labels in ("ab", "abcd"):
        with pytest.raises(ValueError, match=f"there are {len(labels)} labels for 3 tokens"):
            explore(logits, list(labels))
        with pytest.raises(ValueError, match=f"there are {len(labels)} labels for 3 tokens"):
            bars(logits.softmax(0), list(labels), alt="")
    for filters in ({}, {"top_k": ()}):
        with pytest.raises(ValueError, match="expected filters with one setting or more"):
            explore(logits, list("abc"), filters=filters)


def test_explorers_take_the_model_s_own_tokenizer(model):
    for other in (tokenizers.ByteTokenizer(), tokenizers.CharacterTokenizer("to be")):
        with pytest.raises(ValueError, match="give the tokenizer that the model was trained with"):
            viz.widgets.next_token_explorer(model, other, [TEXT])
        with pytest.raises(ValueError, match="give the tokenizer that the model was trained with"):
            viz.widgets.attention_explorer(model, other, TEXT, heads=[(0, 0)])


def test_attention_explorer_refuses_what_it_cannot_show(model, tokenizer):
    explore = viz.widgets.attention_explorer
    with pytest.raises(ValueError, match="there is no head to show"):
        explore(model, tokenizer, TEXT, heads=[])
    for wrong in ((2, 0), (0, 2), (-1, 0)):
        with pytest.raises(ValueError, match=r"there is no head .*: layers are 0 … 1 and heads"):
            explore(model, tokenizer, TEXT, heads=[(0, 0), wrong])
    with pytest.raises(ValueError, match="the text is empty"):
        explore(model, tokenizer, "", heads=[(0, 0)])
    for start in (-1, len(TEXT)):
        with pytest.raises(ValueError, match="start must lie in 0 … 17"):
            explore(model, tokenizer, TEXT, heads=[(0, 0)], start=start)
