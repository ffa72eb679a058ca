"""What OpenAI's own client asks, is answered as it expects."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from PIL import Image

TEXT = "déjà 東京 🎉 one two three "


def test_models_are_listed_and_shown(client):
    names = [model.id for model in client.models.list()]
    assert names == ["writer", "parrot", "broken", "painter", "generator"]
    assert client.models.retrieve("writer").owned_by == "aigc_tutorial"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4' here; there are: writer"):
        client.models.retrieve("gpt-4")


def test_a_text_is_gone_on_with(client):
    answer = client.completions.create(
        model="parrot", prompt="déjà ", max_tokens=16, temperature=0, user="somebody"
    )
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == ("東京 🎉 one ", "length")
    assert answer.usage.prompt_tokens == len("déjà ".encode())
    assert answer.usage.completion_tokens == 16
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 16
    assert (answer.object, answer.model) == ("text_completion", "parrot")


def test_sixteen_tokens_come_where_none_are_said(client):
    answer = client.completions.create(model="writer", prompt="ab")
    assert answer.usage.completion_tokens == 16


@pytest.mark.parametrize("settings", [{}, {"n": 3}, {"stop": ["e", "q"], "max_tokens": 60}])
def test_a_stream_is_the_whole_in_pieces(client, settings):
    asked = {"model": "writer", "prompt": ["ab", "cde"], "seed": 3, "max_tokens": 30, **settings}
    whole = client.completions.create(**asked)
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    stream = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    pieces = list(stream)
    for piece in pieces[:-1]:
        (choice,) = piece.choices
        assert choice.index not in reasons
        texts[choice.index] = texts.get(choice.index, "") + choice.text
        if choice.finish_reason:
            reasons[choice.index] = choice.finish_reason
    assert texts == {choice.index: choice.text for choice in whole.choices}
    assert reasons == {choice.index: choice.finish_reason for choice in whole.choices}
    assert (pieces[-1].choices, pieces[-1].usage) == ([], whole.usage)
    assert {piece.id for piece in pieces} == {pieces[0].id}
    assert len(whole.choices) == 2 * asked.get("n", 1)


def test_without_being_asked_a_stream_says_no_usage(client):
    pieces = list(client.completions.create(model="writer", prompt="ab", stream=True))
    assert all(piece.usage is None and piece.choices for piece in pieces)


def test_pieces_of_a_stream_are_whole_characters(client):
    pieces = client.completions.create(
        model="parrot", prompt="déjà ", max_tokens=len(TEXT.encode()), temperature=0, stream=True
    )
    texts = [piece.choices[0].text for piece in pieces]
    assert "�" not in "".join(texts)
    assert "".join(texts) == TEXT.removeprefix("déjà ") + "déjà "
    assert len(texts) > 5


def test_a_seed_gives_the_same_text_and_another_seed_another(client):
    def text(seed: int | None, n: int = 1) -> list[str]:
        answer = client.completions.create(
            model="writer", prompt="ab", seed=seed, n=n, max_tokens=20
        )
        return [choice.text for choice in answer.choices]

    assert text(5) == text(5) != text(6)
    assert text(5, n=2) == text(5) + text(6)  # choice i of seed s is choice 0 of seed s + i
    assert text(None) != text(None)
    assert text(-1) == text(2**63 - 1)


def test_a_text_is_the_same_alone_and_among_fifteen_others(client):
    """Over sockets, from sixteen threads, in the midst of other settings and lengths."""

    def text(seed: int) -> str:
        answer = client.completions.create(
            model="writer",
            prompt="ab" * (1 + seed % 4),
            seed=seed,
            max_tokens=12 + seed,
            temperature=1 + seed % 3 / 2,
            top_p=1 - seed % 2 / 4,
        )
        return answer.choices[0].text

    some = (0, 3, 8, 13)
    alone = [text(seed) for seed in some]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(text, range(16)))
    assert [together[seed] for seed in some] == alone


@pytest.mark.parametrize(
    ("prompt", "n_prompts"),
    [("ab", 1), ([97, 98], 1), (["ab", "ab"], 2), ([[97, 98], [97, 98], [97]], 3), (["ab"], 1)],
)
def test_prompts_are_texts_or_tokens_one_or_many(client, prompt, n_prompts):
    answer = client.completions.create(
        model="writer", prompt=prompt, temperature=0, max_tokens=5, echo=True
    )
    assert len(answer.choices) == n_prompts
    assert answer.choices[0].text.startswith("ab")
    assert len({choice.text for choice in answer.choices[:2]}) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_prompt_is_said_again_where_that_is_asked(client, stream):
    asked = {"model": "parrot", "prompt": "one ", "temperature": 0, "max_tokens": 3, "echo": True}
    answer = client.completions.create(**asked, stream=stream)
    pieces = [piece.choices[0].text for piece in answer] if stream else [answer.choices[0].text]
    assert "".join(pieces) == "one two"


def test_a_stop_ends_a_text(client):
    answer = client.completions.create(
        model="parrot", prompt="one ", temperature=0, max_tokens=50, stop=" three"
    )
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("two", "stop")


@pytest.mark.parametrize(
    ("settings", "message", "param"),
    [
        ({"model": "gpt-4"}, "no model 'gpt-4' here; there are: writer, parrot", "model"),
        ({"model": "painter"}, "painter is asked at /v1/images/generations", "model"),
        ({"prompt": ""}, "The prompt is empty", "prompt"),
        ({"prompt": []}, "The field 'prompt' cannot be taken", "prompt"),
        ({"prompt": [[]]}, "The field 'prompt' cannot be taken", "prompt"),
        ({"prompt": "x" * 17}, "has 17 tokens, and this model reads at most 16", "prompt"),
        ({"prompt": [256]}, "tokens must lie in 0 … 255, got 256", "prompt"),
        ({"max_tokens": 401}, "max_tokens is 401, and at most 400", "max_tokens"),
        ({"max_tokens": 0}, "'max_tokens' cannot be taken: .* greater than or equal", "max_tokens"),
        ({"n": 7}, "asks for 7 sequences, prompts times n, and at most 6", "n"),
        ({"n": 2, "prompt": ["a"] * 4}, "asks for 8 sequences", "n"),
        ({"temperature": 2.1}, "'temperature' cannot be taken", "temperature"),
        ({"temperature": "hot"}, "'temperature' cannot be taken", "temperature"),
        ({"top_p": 0}, "'top_p' cannot be taken", "top_p"),
        ({"stop": ["a"] * 5}, "'stop' cannot be taken", "stop"),
        ({"stop": ""}, "'stop' cannot be taken", "stop"),
        ({"logprobs": 3}, "The field 'logprobs' is not supported here; leave it out", "logprobs"),
        ({"best_of": 2}, "The field 'best_of' is not supported", "best_of"),
        ({"suffix": "end"}, "The field 'suffix' is not supported", "suffix"),
        (
            {"presence_penalty": 0.5},
            "The field 'presence_penalty' is not supported",
            "presence_penalty",
        ),
        ({"logit_bias": {"1": 2}}, "The field 'logit_bias' is not supported", "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "ask for it with stream", "stream_options"),
        ({"extra_body": {"max_token": 3}}, "no field 'max_token' here; is it", "max_token"),
        ({"seed": 2**63}, "'seed' cannot be taken", "seed"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(client, settings, message, param):
    with pytest.raises(openai.APIStatusError, match=message) as caught:
        client.completions.create(**{"model": "writer", "prompt": "ab"} | settings)
    assert caught.value.status_code == (404 if settings.get("model") == "gpt-4" else 400)
    body: Any = caught.value.body
    assert body["param"] == param
    assert body["type"] == "invalid_request_error"
    assert body["message"].endswith((".", "?"))


def test_what_asks_for_nothing_is_taken(client):
    neutral = {"presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": None, "best_of": 1}
    asked = {"model": "writer", "prompt": "ab", "seed": 1}
    answer = client.completions.create(**asked, extra_body=neutral | {"stop": None, "top_p": None})
    assert answer.choices == client.completions.create(**asked).choices


def test_numbers_that_are_none_are_an_error_and_no_hang(client, caplog):
    with pytest.raises(openai.InternalServerError, match=r"broken failed: .*not numbers \(NaN\)"):
        client.completions.create(model="broken", prompt="a!")
    assert "not numbers (NaN)" in caplog.text
    with pytest.raises(openai.APIError, match=r"broken failed: .*not numbers \(NaN\)"):
        list(client.completions.create(model="broken", prompt="a!", stream=True))
    assert client.completions.create(model="broken", prompt="a", max_tokens=1, temperature=0)


def opened(image: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image.b64_json)))


def test_digits_come_as_pngs(client):
    asked = {"model": "generator", "prompt": "a digit", "n": 3, "extra_body": {"seed": 4}}
    images = [opened(image) for image in client.images.generate(**asked).data]
    assert [(image.format, image.mode, image.size) for image in images] == [
        ("PNG", "L", (8, 8))
    ] * 3
    again = [opened(image) for image in client.images.generate(**asked).data]
    assert [image.tobytes() for image in images] == [image.tobytes() for image in again]
    assert len({image.tobytes() for image in images}) == 3


def test_the_digit_of_the_prompt_is_drawn(client):
    def drawn(prompt: str) -> bytes:
        answer = client.images.generate(model="painter", prompt=prompt, extra_body={"seed": 1})
        return opened(answer.data[0]).tobytes()

    assert drawn("a seven") == drawn("7") == drawn("Seven, and once more: 7!") != drawn("a three")
    assert opened(client.images.generate(model="painter", prompt="0").data[0]).size == (4, 5)


@pytest.mark.parametrize(
    ("settings", "message", "param"),
    [
        ({"model": "writer"}, "writer is asked at /v1/completions", "model"),
        ({"prompt": "a cat"}, 'prompt names none. Write "a seven" or "7"', "prompt"),
        ({"prompt": "3 or 7"}, "prompt names 3, 7", "prompt"),
        ({"prompt": "77"}, "one of 0 to 9, and this prompt names 77", "prompt"),
        ({"prompt": "9" * 999}, "prompt names 999999999…", "prompt"),
        ({"model": "generator"}, "asks for 7, and generator cannot be asked", "prompt"),
        ({"size": "1024x1024"}, "size is '1024x1024', and painter draws 4x5 only", "size"),
        ({"response_format": "url"}, "sent as b64_json only", "response_format"),
        ({"n": 11}, "n is 11, and at most 10", "n"),
        ({"quality": "hd"}, "The field 'quality' is not supported", "quality"),
        ({"extra_body": {"prompts": 1}}, "no field 'prompts' here", "prompts"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(client, settings, message, param):
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        client.images.generate(**{"model": "painter", "prompt": "a seven"} | settings)
    body: Any = caught.value.body
    assert body["param"] == param
