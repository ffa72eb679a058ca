"""The Python that the front pages show runs as it stands."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^```python\n(.+?)^```", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", "README.zh.md", "book/index.md"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore::aigc_tutorial.data.DataFallbackWarning")
def test_code_of_a_front_page_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("Agg")
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    blocks = CODE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks, f"{page} shows no Python"
    for block in blocks:
        exec(compile(block, page, "exec"), {})
