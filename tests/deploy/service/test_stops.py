"""A stop is found however the text comes in pieces, and nothing of it gets out."""

from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.deploy.service.stops import StopTexts

TEXTS = st.text(alphabet="ab\n", max_size=30)


@given(TEXTS, st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), max_size=4), st.data())
def test_pieces_joined_are_the_text_up_to_the_first_stop(text, stops, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    stopping = StopTexts(stops)
    passed = "".join([stopping.push(piece) for piece in pieces])
    if not stopping.found:
        passed += stopping.flush()
    n_read = next((n for n in range(len(text) + 1) if text[:n].endswith(tuple(stops))), None)
    assert stopping.found == (n_read is not None)
    if n_read is None:
        assert passed == text
    else:
        n_stop = max(len(stop) for stop in stops if text[:n_read].endswith(stop))
        assert passed == text[: n_read - n_stop]


def test_only_what_may_be_the_beginning_of_a_stop_waits():
    stopping = StopTexts(["\n\n", "END"])
    pushed = [stopping.push(piece) for piece in ("a\n", "b", "cE", "N", "x", "y\n", "\nz")]
    assert pushed == ["a", "\nb", "c", "", "ENx", "y", ""]
    assert stopping.found
    assert stopping.push("more") == ""


def test_without_stops_nothing_waits():
    stopping = StopTexts([])
    assert [stopping.push("a"), stopping.push("b"), stopping.flush()] == ["a", "b", ""]
