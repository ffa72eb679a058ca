"""``aigc-tutorial search``: better settings of a recipe, by trying."""

from collections.abc import Sequence
from typing import Any

from aigc_tutorial.cli import search_ar, search_gan
from aigc_tutorial.cli.parsing import choose, parse_as
from aigc_tutorial.cli.search_ar import SearchAR
from aigc_tutorial.cli.search_gan import SearchGAN
from aigc_tutorial.cli.searching import REQUIRED
from aigc_tutorial.cli.train_ar import RECIPES as TEXTS
from aigc_tutorial.cli.train_gan import RECIPES as GANS

EXAMPLES = (
    "aigc-tutorial search characters --text my.txt --n-tokens 100000 --folder runs/search",
    "aigc-tutorial search characters --folder runs/search --space "
    "training.learning_rate_matrices=log:0.003..0.05 model_config.token_shift=1,3,5",
    "aigc-tutorial search mnist-conv --n-images 10000 --n-trials 12 --folder runs/search-gan",
)


def parse(arguments: Sequence[str]) -> SearchAR | SearchGAN:
    """Understand what follows ``search``."""
    lines = {name: text for name, (_, text) in (TEXTS | GANS).items()}
    name, others = choose(arguments, lines, command="search", what="recipe", examples=EXAMPLES)
    fitting = [line for line in EXAMPLES if f" {name} " in line] or EXAMPLES
    options: Any = {"command": f"search {name}", "examples": fitting, "required": REQUIRED}
    if name in TEXTS:
        return parse_as(SearchAR, others, default=search_ar.defaults_of(name), **options)
    return parse_as(SearchGAN, others, default=search_gan.defaults_of(name), **options)
