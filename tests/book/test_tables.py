"""Wide tables on a phone: which become cards, and what a card says."""

import re

from aigc_book.tables import (
    N_CARDS,
    N_CARDS_OF_WORDS,
    N_LINES,
    PHONE,
    has_words,
    is_prose,
    least_width,
    with_narrow_form,
)

HEAD = ["model", "parameters", "likelihood", "perplexity"]


def table(rows: list[list[str]], head: list[str]) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}><p>{c}</p></{tag}>" for c in cells) + "</tr>\n"

    body = "".join(line(row, "td") for row in rows)
    return (
        f'<table class="t">\n<thead>\n{line(head, "th")}</thead>\n<tbody>\n{body}</tbody>\n</table>'
    )


def without_labels(html: str) -> str:
    return re.sub(r'<span class="card-label">.*?</span>', "", html)


def test_a_row_becomes_a_card_that_says_each_column_and_loses_nothing() -> None:
    row = ["Transformer", "257,640", "<b>1.5</b>", "4.5"]
    before = table([row, row], HEAD)
    after = with_narrow_form(f"<p>a</p>{before}<p>b</p>")
    labels = re.findall(r'<td><span class="card-label">(.*?)</span><p>(.*?)</p>', after)
    assert labels == list(zip(HEAD[1:], row[1:], strict=True)) * 2
    assert without_labels(after).replace("t cards", "t") == f"<p>a</p>{before}<p>b</p>"


def test_many_rows_stay_a_table_whose_first_column_stays() -> None:
    row = ["Transformer", "257,640", "1.5", "4.5"]
    few, many = (with_narrow_form(table([row] * n, HEAD)) for n in (N_CARDS, N_CARDS + 1))
    assert '<table class="t cards"' in few
    assert many == table([row] * (N_CARDS + 1), HEAD).replace('"t"', '"t wide"')


def test_more_rows_become_cards_where_they_are_words() -> None:
    row = ["self-supervised", "a target cut from it", "quarter_turns", "images that turn upright"]
    few, many = (
        with_narrow_form(table([row] * n, HEAD)) for n in (N_CARDS_OF_WORDS, N_CARDS_OF_WORDS + 1)
    )
    assert '<table class="t cards"' in few
    assert '<table class="t wide"' in many


def test_words_are_told_from_numbers_by_their_first_letters() -> None:
    assert has_words([["a", "words", "3"], ["1", "<b>words</b>", "–"]])
    assert not has_words([["words", "1.5 nats", "word"], ["words", "&minus;3", ""]])
    assert not has_words([["words"]])


def test_what_fits_a_phone_stays_as_it_is() -> None:
    assert (
        with_narrow_form(narrow := table([["a long text that breaks", "2"]], ["x", "y"])) == narrow
    )
    headless = table([["Transformer", "257,640", "1.5", "4.5"]], HEAD).replace("thead", "tfoot")
    assert with_narrow_form(headless) == headless
    spans = table([["Transformer", "257,640", "1.5", "4.5"]], HEAD).replace(
        "<td>", '<td colspan="1">'
    )
    assert with_narrow_form(spans) == spans


def test_an_empty_cell_has_no_line_in_a_card() -> None:
    html = table([["Transformer", "257,640", "", "4.5"]], HEAD)
    for empty in (html, html.replace("<p></p>", "")):
        assert "likelihood</span>" not in with_narrow_form(empty)
        assert "perplexity</span>" in with_narrow_form(empty)


def test_a_title_that_is_a_number_says_of_what() -> None:
    def titled(first: str) -> bool:
        row = [first, "257,640", "1.5", "4.5"]
        return 'card-label">model</span>' in with_narrow_form(table([row], HEAD))

    assert titled("0.002")
    assert titled("−3")
    assert not titled("GPT-2")
    assert not titled("5-gram")


def test_a_row_as_long_as_prose_becomes_a_card_though_its_words_are_short() -> None:
    """Three columns of a phone would be a word wide each."""
    told = "a word and " * 12
    row = [told, told, "a link"]
    assert least_width([row]) <= PHONE
    assert is_prose([["a", "b", "c"], row])
    assert "cards" in with_narrow_form(table([row], ["a", "b", "c"]))
    short = ["x" * 9, "a word", "a word " * (N_LINES * PHONE // 7 - 6)]
    assert not is_prose([["a", "b", "c"], short])
    assert not is_prose([["a", "b"], [told * 3, told]])  # two columns are wide enough


def test_width_is_that_of_the_longest_words_and_a_formulas_tex_does_not_count() -> None:
    formula = "<mjx-math>x</mjx-math><mjx-assistive-mml>\\mathbf{x}_{1}</mjx-assistive-mml>"
    assert least_width([["ab abc", "x"], [formula, "1,000&nbsp;nats"]]) == 1.5 + 3 + 1.5 + 10
    assert least_width([["two-sided"], ["<code>two-sided x</code>"]]) == 1.5 + 9
