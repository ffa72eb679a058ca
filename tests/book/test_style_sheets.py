"""The one style sheet that the build joins: what stays of a sheet, and what goes."""

from typing import Any

import pytest
from aigc_book import formulas, style_sheets
from sphinx.errors import ExtensionError

PAGE = '<div class="card wide"><p class="note">text</p></div>'
SCRIPT = 'box.classList.add("show");'


def kept(css: str) -> str:
    """What stays of a sheet on the page and with the script above, without line breaks."""
    names = style_sheets.used_names([PAGE], [SCRIPT])
    return style_sheets.reduced(style_sheets.rules_of(css), names).replace("\n", "")


@pytest.mark.parametrize(
    "rule",
    [
        "p{color:red}",
        ".card>.note:hover{color:red}",
        "#place .card{color:red}",
        ".card.show{color:red}",
        ".card:not(.absent){color:red}",
        '.card[data-x=".absent"]{color:red}',
        "a:is(.absent,.note){color:red}",
        "@font-face{font-family:F;src:url(data:,)}",
        "@keyframes turn{to{rotate:360deg}}",
        "@media print{.card{color:red}}",
    ],
)
def test_rules_that_may_match_stay(rule: str) -> None:
    assert kept(rule) == rule


@pytest.mark.parametrize(
    "rule",
    [
        ".absent{color:red}",
        ".card .absent{color:red}",
        "p.note.absent::before{color:red}",
        "@media print{.absent{color:red}}",
        "@supports (display:grid){@media print{.absent{color:red}}}",
        '@import "other.css";',
        '@charset "UTF-8";',
        "/* a note */",
    ],
)
def test_rules_that_cannot_match_go(rule: str) -> None:
    assert kept(rule) == ""


def test_of_several_selectors_those_stay_that_may_match() -> None:
    assert kept(".absent,.card,p .absent,p{color:red}") == ".card,p{color:red}"


def test_order_stays() -> None:
    assert kept("p{color:red}.absent{color:blue}p{color:green}") == "p{color:red}p{color:green}"


def test_addresses_lead_to_the_same_files_as_before() -> None:
    css = "a{b:url(file.png)}c{d:url('../x/y.svg')}e{f:url(data:,)}g{h:url(#i)}"
    assert style_sheets.moved(css, "basic.css") == (
        'a{b:url("../file.png")}c{d:url("../../x/y.svg")}e{f:url(data:,)}g{h:url(#i)}'
    )
    assert style_sheets.moved("a{b:url(c.png)}", "styles/theme.css") == 'a{b:url("c.png")}'


def test_a_pages_address_of_the_sheet_is_that_of_its_content() -> None:
    page = '<link href="../_static/styles/book.css?v=0123abcd" />'
    first, second = (style_sheets.address(page, css) for css in ("p{}", "a{}"))
    assert len({page, first, second}) == 3
    assert style_sheets.address(first, "a{}") == second  # of a page that was not written again
    assert (
        style_sheets.address('<link href="book.css?v=" />', "p{}") == '<link href="book.css?v=" />'
    )


def test_a_sheet_that_the_first_page_does_not_load_is_refused() -> None:
    sheets = style_sheets.Sheets()

    def choose(page: str, *names: str) -> dict[str, Any]:
        context = {"css_files": names, "pathto": lambda path, _: path}
        sheets.choose(None, page, "page.html", context, None)  # type: ignore[arg-type]
        return context

    assert choose("first", "_static/a.css", "_static/b.css")["css_files"] == []
    assert [*sheets.names][-2:] == ["a.css", "b.css"]
    choose("second", "_static/b.css", f"_static/{formulas.STYLE_SHEET}")
    with pytest.raises(ExtensionError, match=r"third loads \['c.css'\], which first does not"):
        choose("third", "_static/a.css", "_static/c.css")
