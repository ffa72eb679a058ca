"""Where a cell's code stands: open where it is what is taught, else folded behind its result."""

import json

import pytest
from aigc_book.cell_code import STAYS, Output, Place, place
from clean_notebooks import notebooks

DEFINITION = "def step(x):\n    return x + 1\n"
MEASURED = 'pages.expect(1, 0, 2, "x")\n'
LINES = "y = x\n" * 10


def test_what_is_shown_stands_before_its_code() -> None:
    assert place("plt.show()", {Output.PICTURE}) == Place("How this was drawn")
    assert place("frames_player(figures)", {Output.EXPLORER}) == Place("How this was drawn")
    assert place("pages.table(rows)", {Output.TABLE}) == Place("How this was measured")
    assert place(DEFINITION + MEASURED + "plt.show()", {Output.PICTURE, Output.CHECKS}) == Place(
        "How this was measured and drawn"
    )


def test_code_that_is_taught_stays_open() -> None:
    assert place(DEFINITION, set()) == STAYS
    assert place(DEFINITION + MEASURED, {Output.CHECKS}) == STAYS
    assert place("print(tokens)", {Output.TEXT}) == STAYS
    assert place("x = 1\n" + MEASURED, {Output.CHECKS}) == STAYS
    fails = 'with pages.shows_error(ValueError, "no"):\n    f()\n'
    assert place(LINES + fails + MEASURED, {Output.CHECKS, Output.TEXT}) == STAYS


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("The losses as code, one line each:", True),
        ("The whole training, in plain torch:", True),
        ("The lines agree. So do the losses:", False),
        ("The code is in the package.", False),
        ("", False),
    ],
)
def test_code_that_the_text_announces_stays_open(text: str, stays: bool) -> None:
    found = place(LINES + MEASURED, {Output.CHECKS}, text_before=text)
    assert (found == STAYS) == stays


def test_helpers_imports_and_long_code_are_folded() -> None:
    assert place("import math\nimport torch\nn = 3\n", set()) == Place("What this page imports")
    assert place(LINES + MEASURED, {Output.CHECKS}) == Place("How this was measured")
    titled = {"aigc": {"code": "How a step is taken"}}
    assert place(DEFINITION + LINES * 4, set(), (), titled) == Place("How a step is taken")


@pytest.mark.parametrize(
    ("source", "tags", "helps"),
    [
        (DEFINITION + LINES * 4, (), False),
        (LINES * 5, (), False),
        ("x = 1", ("hide-input",), False),
        (DEFINITION, (), True),
    ],
)
def test_what_no_rule_can_name_needs_a_title(
    source: str, tags: tuple[str, ...], helps: bool
) -> None:
    with pytest.raises(ValueError, match="under what title"):
        place(source, {Output.TEXT}, tags, helps=helps)


def test_the_colab_cell_is_one_line() -> None:
    folded = Place("To run this page on Colab", first=True)
    assert place("%pip install --no-deps x", set(), ["colab", "hide-input"]) == folded


def test_exercises_are_open_and_what_shows_a_listing_has_no_code() -> None:
    stub = "def f(x):\n    ...\n" + LINES * 5 + 'exercises.check("f", f)\n'
    assert place(stub, {Output.TEXT}) == STAYS
    for call in ('exercises.show_solution("f")', "pages.show_source(f)", "CONCEPTS.show()"):
        assert place(call, {Output.TEXT}) == Place(shown=False)
    assert place("plt.show()", {Output.TEXT}) == STAYS


def test_the_author_has_the_last_word() -> None:
    drawn = {Output.PICTURE}
    assert place("plt.show()", drawn, metadata={"aigc": {"code": "open"}}) == STAYS
    title = {"aigc": {"code": "The film, frame by frame"}}
    assert place("x = 1", set(), metadata=title) == Place("The film, frame by frame")
    with pytest.raises(ValueError, match='is "open" or a title'):
        place("x = 1", set(), metadata={"aigc": {"code": True}})


def test_notebooks_wish_for_what_there_is() -> None:
    for path in notebooks():
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                place("".join(cell["source"]), set(), metadata=cell["metadata"])
