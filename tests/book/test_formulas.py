"""Formulas as the build typesets them: what is drawn, what a screen reader gets, what is loaded."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from aigc_book import formulas
from docutils import nodes
from docutils.utils import new_document

SHEET = """mjx-math {
  line-height: 0;
}

@font-face /* MJX-TEX-N */ {
  font-family: MJX-TEX-N;
  src: url("./mjx-tex-n.woff2") format("woff2");
}

@font-face /* MJX-TEX-B */ {
  font-family: MJX-TEX-B;
  src: url("./mjx-tex-b.woff2") format("woff2");
}

mjx-c.mjx-c28 {
  padding: 0.75em 0.389em 0.249em 0;
}

mjx-c.mjx-c28.TEX-B {
  padding: 0.75em 0.447em 0.249em 0;
}

mjx-c.mjx-c1D465 {
  padding: 0.442em 0.572em 0.011em 0;
}"""


@pytest.fixture(autouse=True)
def no_npm_no_node_when_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has an empty cache of formulas."""
    monkeypatch.setattr(formulas, "cache_folder", lambda: tmp_path)


def mathml(made: str) -> ElementTree.Element:
    """The MathML in what was typeset."""
    found = re.search(r"<math.*</math>", made, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0])


def test_a_formula_is_drawn_and_spoken_and_keeps_its_tex() -> None:
    tex = r"p_\theta(x_t \mid x_{<t}) \le 1"
    made = formulas.typeset(tex)
    drawn = "".join(re.findall(r"<mjx-c [^>]*>([^<]*)</mjx-c>", made))
    assert drawn == "𝑝𝜃(𝑥𝑡∣𝑥&lt;𝑡)≤1"
    assert 'aria-hidden="true"' in made.partition("<mjx-assistive-mml")[0]
    spoken = mathml(made)
    assert spoken.findtext(".//annotation") == tex
    assert [e.text for e in spoken.iter("mo")] == ["(", "∣", "<", ")", "≤"]


def test_nothing_of_a_formula_is_a_tab_stop_or_asks_for_a_script() -> None:
    made = formulas.typeset(r"\begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}", display=True)
    assert not re.search(r"tabindex|data-|<script|onclick|href", made)


def test_display_puts_limits_under_the_sum_and_a_line_of_text_beside_it() -> None:
    under = mathml(formulas.typeset(r"\sum_{i} x_i", display=True))
    assert under.get("display") == "block"
    assert mathml(formulas.typeset(r"\sum_{i} x_i")).get("display") is None


@pytest.mark.parametrize("tex", [r"\nosuch{x}", r"\frac{1}{2", r"\begin{aligned} x", "x^2^3"])
def test_a_faulty_formula_is_refused_with_its_tex(tex: str) -> None:
    with pytest.raises(formulas.FormulaError, match=re.escape(tex)):
        formulas.typeset(tex)
    assert formulas.typeset("x + y")  # and the process goes on


def test_a_formula_is_typeset_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = formulas.typeset(r"\sigma(a)")

    def refuse() -> formulas.Typesetter:
        raise AssertionError("typeset again")

    monkeypatch.setattr(formulas, "typesetter", refuse)
    assert formulas.typeset(r"\sigma(a)") == first
    with pytest.raises(AssertionError):
        formulas.typeset(r"\sigma(a)", display=True)


def test_only_a_long_formula_breaks_in_two() -> None:
    assert 'class="MathJax short"' in formulas.typeset("t = m / p")
    assert "short" not in formulas.typeset(r"p(x) = p(x_1) \, p(x_2 \mid x_1) \, p(x_3 \mid x_2)")


@pytest.mark.parametrize(
    ("text", "joined"),
    [("at *, and", (False, True)), ("(*)", (True, True)), ("of * and", (False, False))],
)
def test_a_formula_knows_what_it_touches(text: str, joined: tuple[bool, bool]) -> None:
    left, right = text.split("*")
    formula = nodes.math("", "x")
    nodes.paragraph("", "", nodes.Text(left), formula, nodes.Text(right))
    before, after = formulas.neighbours(formula)
    assert (not before.isspace(), not after.isspace()) == joined


@pytest.mark.parametrize(
    ("text", "words"),
    [("at (*), and", "at (x), and"), ("at (a *)", "at (a x)"), ("f(*", "f(x"), ("*)", "x)")],
)
def test_brackets_around_a_formula_are_a_part_of_it(text: str, words: str) -> None:
    left, right = text.split("*")
    formula = nodes.math("", "x")
    document = new_document("page")
    document += nodes.paragraph("", "", nodes.Text(left), formula, nodes.Text(right))
    formulas.take_brackets(None, document)  # type: ignore[arg-type]
    assert document.astext() == words
    assert formula.astext() == ("(x)" if "(*)" in text else "x")


def test_a_formula_alone_touches_nothing() -> None:
    formula = nodes.math("", "x")
    nodes.paragraph("", "", formula)
    assert formulas.neighbours(formula) == ("", "")


def test_lines_of_a_block_are_parts_of_one_equation() -> None:
    assert formulas.display_tex(nodes.math_block("", r"a \\ b", nowrap=False)) == (
        r"\begin{split}a \\ b\end{split}"
    )
    whole = r"\begin{align} a \\ b \end{align}"
    assert formulas.display_tex(nodes.math_block("", whole, nowrap=True)) == whole


def test_letters_are_found_with_the_fonts_that_draw_them() -> None:
    page = formulas.typeset(r"\mathcal{N}(x < 1)")
    classes, by_font = formulas.used_letters([page, "<p>no formula</p>"])
    assert ("mjx-c4E", "C") in classes
    assert ("mjx-c1D465", "N") in classes
    assert by_font["C"] == "N"
    assert by_font["N"] == " ()1<𝑥"


def test_what_grows_is_found_with_the_pieces_that_draw_it() -> None:
    page = formulas.typeset(r"\underbrace{a + b + c + d}_e", display=True)
    page += formulas.typeset(r"\left\|\frac{\frac{a}{b}}{\frac{c}{d}}\right\|", display=True)
    classes, by_font = formulas.used_letters([page])
    assert {("mjx-c23DF", "mjx-stretchy-h"), ("mjx-c2016", "mjx-stretchy-v")} <= classes
    assert set("\ue150\ue151\ue152\ue153\ue154") <= set(by_font["S4"])
    assert "∥" in by_font["SO"]


def test_the_style_sheet_keeps_what_is_used_and_all_that_is_no_letter() -> None:
    assert formulas.reduce_style_sheet(SHEET, {("mjx-c28", "N")}, {"N": "data:,"}) == (
        "mjx-math { line-height: 0; }\n"
        "@font-face /* MJX-TEX-N */ { font-family: MJX-TEX-N; "
        'src: url("data:,") format("woff2"); }\n'
        "mjx-c.mjx-c28 { padding: 0.75em 0.389em 0.249em 0; }\n"
    )


def test_mathjaxs_own_sheet_has_the_form_that_is_reduced() -> None:
    sheet = formulas.whole_style_sheet()
    used = {("mjx-c28", "N"), ("mjx-c2211", "LO"), ("mjx-c28", "mjx-stretchy-v")}
    reduced = formulas.reduce_style_sheet(
        sheet, used, dict.fromkeys(["N", "LO", "ZERO", "BRK"], "data:,")
    )
    letters = re.findall(r"^mjx-c\.\S+", reduced, re.MULTILINE)
    assert letters == ["mjx-c.mjx-c28", "mjx-c.mjx-c2211.TEX-LO"]
    assert set(re.findall(r"mjx-stretchy-[vh]\.\S+", reduced)) == {"mjx-stretchy-v.mjx-c28"}
    faces = set(re.findall(r"MJX-(?:TEX-)?(\w+) \*/", reduced))
    assert faces == {"N", "LO", "ZERO", "BRK"}
