"""Requests and responses in the shape that OpenAI's clients write and read.

What a client may send is a part of what OpenAI's API knows. A field of it that is not supported
here is refused with its name, unless it says what is done anyway; so is a field that nobody knows,
which is most often a mistyped one.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Seed = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
Token = Annotated[StrictInt, Field(ge=0, lt=2**31)]
Tokens = Annotated[list[Token], Field(min_length=1)]
Prompt = (
    StrictStr | Annotated[list[StrictStr], Field(min_length=1)] | Tokens
    | Annotated[list[Tokens], Field(min_length=1)]
)  # fmt: skip
Stop = Annotated[StrictStr, Field(min_length=1, max_length=100)]

# Fields of OpenAI's API, and the values at which they ask for nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "best_of": (None, 1),
    "frequency_penalty": (None, 0),
    "logit_bias": (None, {}),
    "logprobs": (None,),
    "presence_penalty": (None, 0),
    "suffix": (None,),
    "background": (None, "auto"),
    "moderation": (None,),
    "output_compression": (None,),
    "output_format": (None, "png"),
    "partial_images": (None, 0),
    "quality": (None, "auto", "standard"),
    "style": (None,),
}


class NotSupportedError(ValueError):
    """A field asks for what is not done here.

    Attributes:
        field: its name.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"the field {field!r} is not supported here; leave it out")
        self.field = field


class _Request(BaseModel):
    model_config = {"extra": "forbid"}

    @model_validator(mode="before")
    @classmethod
    def _without_neutral_fields(cls, values: Any) -> Any:
        """Refuse what is not supported, by its name, and pass over what asks for nothing."""
        if not isinstance(values, dict):
            return values
        kept = {}
        for name, value in values.items():
            if name in cls.model_fields or name not in _NEUTRAL:
                kept[name] = value
            elif isinstance(value, bool) or value not in _NEUTRAL[name]:
                raise NotSupportedError(name)
        return kept


class StreamOptions(BaseModel):
    """What a stream says besides the text."""

    model_config = {"extra": "forbid"}

    include_usage: StrictBool | None = None
    include_obfuscation: Literal[False] | None = None


class CompletionRequest(_Request):
    """A text to go on from."""

    model: Name
    prompt: Prompt
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    n: Annotated[StrictInt, Field(ge=1)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    seed: Seed | None = None
    echo: StrictBool | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    user: StrictStr | None = None


class ImageRequest(_Request):
    """Digits to draw."""

    model: Name
    prompt: Annotated[StrictStr, Field(max_length=1000)]
    n: Annotated[StrictInt, Field(ge=1)] | None = None
    size: StrictStr | None = None
    response_format: StrictStr | None = None
    seed: Seed | None = None
    user: StrictStr | None = None


class Choice(BaseModel):
    """One text, or a piece of it."""

    index: int
    text: str
    logprobs: None = None
    finish_reason: Literal["stop", "length"] | None


class Usage(BaseModel):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """What is answered to a completion request."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None


class Image(BaseModel):
    """A PNG in Base64."""

    b64_json: str


class Images(BaseModel):
    """What is answered to an image request."""

    created: int
    data: list[Image]


class Model(BaseModel):
    """What can be asked for. ``kind`` is not OpenAI's: what the model makes."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kind: Literal["text", "image"]


class ModelList(BaseModel):
    """All that can be asked for."""

    object: Literal["list"]
    data: list[Model]


class Health(BaseModel):
    """Whether requests are answered, and how many are inside."""

    status: Literal["ok"]
    jobs: int


class ErrorText(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """Every answer that is no result."""

    error: ErrorText
