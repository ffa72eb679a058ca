"""``aigc-tutorial search``: better settings of a recipe, by trying."""

from collections.abc import Sequence

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
    kind, default = (
        (SearchAR, search_ar.defaults_of(name))
        if name in TEXTS
        else (SearchGAN, search_gan.defaults_of(name))
    )
    fitting = [line for line in EXAMPLES if f" {name} " in line] or EXAMPLES
    return parse_as(
        kind,
        others,
        command=f"search {name}",
        examples=fitting,
        default=default,
        required=REQUIRED,
    )
