"""``aigc-tutorial train``: a recipe on data of the catalogue or on a text of one's own."""

from collections.abc import Sequence

from aigc_tutorial.cli.commands import Command
from aigc_tutorial.cli.parsing import choose

FAMILIES = {
    "gan": "a generator against a discriminator, on handwritten digits",
    "ar": "a Transformer that predicts the next token, on a text",
}
EXAMPLES = (
    "aigc-tutorial train gan mnist-conv --n-images 200000 --folder runs/gan",
    "aigc-tutorial train gan mnist-conditional --precision bf16 --folder runs/digits",
    "aigc-tutorial train ar characters --text my.txt --folder runs/text",
    "aigc-tutorial train ar bytes --n-tokens 400000 --model.n-layers 2 --folder runs/bytes",
)


def parse(arguments: Sequence[str]) -> Command:
    """Understand what follows ``train``."""
    family, others = choose(arguments, FAMILIES, command="train", what="family", examples=EXAMPLES)
    examples = [line for line in EXAMPLES if line.startswith(f"aigc-tutorial train {family} ")]
    if family == "gan":
        from aigc_tutorial.cli.train_gan import parse_gan

        return parse_gan(others, examples)
    from aigc_tutorial.cli.train_ar import parse_ar

    return parse_ar(others, examples)
