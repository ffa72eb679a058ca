"""``aigc-tutorial sample``: digits and text from a model of the zoo or from a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.ar import AutoregressiveModel, PixelCNN, SamplingConfig, stream_text
from aigc_tutorial.cli.parsing import UsageError, check_seed, parse_as
from aigc_tutorial.cli.runs import Found, find_model
from aigc_tutorial.data import dequantise, images_to_pixels
from aigc_tutorial.environment import require
from aigc_tutorial.files import replace_file
from aigc_tutorial.gan import Generator
from aigc_tutorial.integers import as_count

EXAMPLES = (
    'aigc-tutorial sample shakespeare-characters --prompt "ROMEO:" --temperature 0.8 --seed 0',
    "aigc-tutorial sample mnist-conditional-gan --labels 3 1 4",
    "aigc-tutorial sample runs/gan --n 64 --out digits.png",
)
_SHADES = " .:-=+*#%@"
_COLUMNS = 8


@dataclass(frozen=True)
class Sample:
    """Draw from a trained model: digits into the terminal or a file, text as it is written.

    The same seed gives the same digits and the same text on every machine, but for rounding.

    Attributes:
        model: a name of the zoo, or the folder of a run of yours.
        n: how many digits; by default eight, or as many as there are labels.
        labels: the digit that is asked for, one after the other; of models that take one.
        out: write the digits into this PNG file and not into the terminal.
        prompt: what the text begins with; a model of poems needs none.
        max_new_tokens: the longest text.
        sampling: how a token is chosen.
        seed: of all that is random.
        device: where to compute; by default the CPU.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    n: int | None = None
    labels: tuple[int, ...] = ()
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    prompt: str = ""
    max_new_tokens: int = 200
    sampling: Annotated[SamplingConfig, tyro.conf.arg(name="")] = field(
        default_factory=SamplingConfig
    )
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        as_count(self.max_new_tokens, "--max-new-tokens")
        check_seed(self.seed)
        if self.n is not None:
            as_count(self.n, "--n")

    def run(self) -> None:
        """Draw, and show or write."""
        found = find_model(self.model, device=self.device)
        rng = torch.Generator().manual_seed(self.seed)
        if isinstance(found.model, AutoregressiveModel):
            self._write_text(found, rng)
        elif isinstance(found.model, Generator | PixelCNN):
            self._show_digits(self._draw(found.model, rng))
        else:
            raise UsageError(
                f"{self.model} is a {found.card.model}, which draws nothing; "
                f"`aigc-tutorial evaluate {self.model}` measures it"
            )

    def _write_text(self, found: Found, rng: torch.Generator) -> None:
        assert found.tokenizer is not None
        if self.labels or self.out is not None or self.n is not None:
            raise UsageError(
                f"{self.model} writes text: --n, --labels and --out are of models that draw"
            )
        prompt = self.prompt
        if not prompt and found.tokenizer.bos_id is None:
            prompt = "\n"  # where a text begins
        pieces = stream_text(
            found.model,
            found.tokenizer,
            prompt,
            max_new_tokens=self.max_new_tokens,
            config=self.sampling,
            rng=rng,
        )
        print(self.prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()

    def _draw(self, model: Any, rng: torch.Generator) -> Float[Tensor, "B C H W"]:
        if self.prompt:
            raise UsageError(f"{self.model} draws digits: --prompt is of models that write text")
        self._refuse_settings_of_text(is_cooled=isinstance(model, PixelCNN))
        n = self.n or len(self.labels) or _COLUMNS
        n_classes = model.n_classes if isinstance(model, Generator) else model.config.n_classes
        labels = self._labels(n, n_classes)
        if isinstance(model, Generator):
            return model.sample(n, labels, rng=rng).cpu()
        levels = model.sample(n, labels, rng=rng, temperature=self.sampling.temperature)
        return dequantise(levels.cpu(), model.config.n_levels).unsqueeze(1)

    def _refuse_settings_of_text(self, *, is_cooled: bool) -> None:
        """What a model that draws would not look at; some have a temperature."""
        given = {"max_new_tokens"} if self.max_new_tokens != type(self).max_new_tokens else set()
        usual = SamplingConfig()
        names = [field.name for field in fields(usual)]
        given |= {name for name in names if getattr(self.sampling, name) != getattr(usual, name)}
        if given := given - ({"temperature"} if is_cooled else set()):
            flag = sorted(given)[0].replace("_", "-")
            raise UsageError(
                f"{self.model} draws digits, and --{flag} changes nothing there: leave it away"
            )

    def _labels(self, n: int, n_classes: int | None) -> Tensor | None:
        if n_classes is None:
            if self.labels:
                raise UsageError(
                    f"{self.model} draws what it likes, and --labels is of models that are asked "
                    "for a digit: mnist-conditional-gan is one"
                )
            return None
        asked = self.labels or tuple(range(n_classes))
        if wrong := [label for label in asked if not 0 <= label < n_classes]:
            raise UsageError(f"--labels must be 0 to {n_classes - 1}, got {wrong[0]}")
        return torch.tensor(asked)[torch.arange(n) % len(asked)]

    def _show_digits(self, images: Float[Tensor, "B C H W"]) -> None:
        if self.out is None:
            print(in_characters(images))
            return
        library = require("PIL.Image", extra="book")
        pixels = images_to_pixels(side_by_side(images)).numpy()
        with replace_file(self.out) as temporary:
            library.fromarray(pixels).save(temporary, format="PNG")
        print(f"Wrote {self.out}: {len(images)} digits.")


def side_by_side(images: Float[Tensor, "B C H W"], columns: int = _COLUMNS) -> Float[Tensor, "X Y"]:
    """Grey images in rows of equal length, with black where there is none."""
    grey = images.mean(1)
    columns = min(columns, len(grey))
    missing = -len(grey) % columns
    grey = torch.cat([grey, -torch.ones(missing, *grey.shape[1:])])
    rows, (height, width) = len(grey) // columns, grey.shape[1:]
    return (
        grey.view(rows, columns, height, width)
        .transpose(1, 2)
        .reshape(rows * height, columns * width)
    )


def in_characters(images: Float[Tensor, "B C H W"], columns: int = 4) -> str:
    """Images as text, a character for two pixels one below the other."""
    grey = side_by_side(images, columns)
    halved = grey[: len(grey) // 2 * 2].view(-1, 2, grey.shape[1]).mean(1)
    shades = ((halved + 1) / 2 * (len(_SHADES) - 1)).round().long().clamp(0, len(_SHADES) - 1)
    return "\n".join("".join(_SHADES[i] for i in row).rstrip() for row in shades.tolist())


def parse(arguments: Sequence[str]) -> Sample:
    """Understand what follows ``sample``."""
    return parse_as(Sample, arguments, command="sample", examples=EXAMPLES)
