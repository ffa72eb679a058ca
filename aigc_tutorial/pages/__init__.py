"""What the pages and the exercises share: bands, source listings, tables, notation, concepts."""

from aigc_tutorial.pages import concepts
from aigc_tutorial.pages.checks import expect, expect_band, shows_error
from aigc_tutorial.pages.display import format_number, typeset_number
from aigc_tutorial.pages.notation import check_notation, notation_table
from aigc_tutorial.pages.source import show_source
from aigc_tutorial.pages.tables import table

__all__ = [
    "check_notation",
    "concepts",
    "expect",
    "expect_band",
    "format_number",
    "notation_table",
    "show_source",
    "shows_error",
    "table",
    "typeset_number",
]
