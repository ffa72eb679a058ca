"""The measurement measures: against a service whose times are known."""

import asyncio
import json

import httpx
import pytest

from aigc_tutorial.deploy.service import BenchConfig, Level, Limits, Report, bench, create_app
from tests.deploy.service.live import running
from tests.deploy.service.small import writer

LEVEL = Level(
    4, 40, 400, 0, 2.0, (0.01, 0.02, 0.03), (0.001, 0.002, 0.003), (0.1, 0.2, 0.3), 0.2, 4.1
)


def test_what_was_measured_is_told():
    assert LEVEL.tokens_per_second == 200
    assert LEVEL.little == pytest.approx(4.1 / (20 * 0.2))
    table = Report((LEVEL,)).as_table().splitlines()
    assert table[-1] == ("| 4 | 200 | 10 / 20 / 30 | 1 / 2 / 3 | 100 / 200 / 300 | 40 | 0 | 1.02 |")
    assert len({line.count("|") for line in table}) == 1


def test_it_measures_from_within_a_running_loop_as_a_notebook_has_one(url):
    config = BenchConfig(url=url, model="writer", prompt="ab", max_tokens=2, concurrency=(1,),
                         seconds=0.1, warm_up_seconds=0)  # fmt: skip

    async def cell() -> Report:
        return bench(config)

    assert asyncio.run(cell()).levels[0].n_requests >= 3


def test_a_service_in_the_background_ends_with_its_block_and_says_when_it_cannot_begin():
    with running(create_app({"writer": writer()})) as address:
        assert httpx.get(f"{address}/health", trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health", trust_env=False)

    async def broken(scope, receive, send):
        message = await receive()
        assert message["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="did not begin"), running(broken):
        pass


def test_a_service_is_measured_and_little_s_law_holds(url, tmp_path):
    config = BenchConfig(
        url=url,
        model="writer",
        prompt="ab",
        max_tokens=12,
        concurrency=(1, 4),
        seconds=0.5,
        warm_up_seconds=0.2,
        folder=str(tmp_path / "results"),
    )
    report = bench(config)
    one, four = report.levels
    for level in (one, four):
        assert level.n_tokens == pytest.approx(12 * level.n_requests, abs=12 * level.concurrency)
        assert level.n_refused == 0
        assert 0 < level.first_token[0] <= level.whole[0] <= level.whole[2]
        assert level.n_requests >= 3 * level.concurrency
        assert 0 < level.inside < 1.2 * level.concurrency
        assert 0 < level.little < 1.5  # below 1 by the way there and back
    saved = json.loads((tmp_path / "results" / "service.json").read_text())
    assert saved["levels"][1]["n_requests"] == four.n_requests
    assert (tmp_path / "results" / "service.md").read_text() == f"{report}\n"
    assert (tmp_path / "results" / "service.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_not_measured_is_null_in_the_file(url, tmp_path):
    config = BenchConfig(url=url, model="writer", prompt="ab", max_tokens=1, concurrency=(1,),
                         seconds=0.1, warm_up_seconds=0, folder=str(tmp_path))  # fmt: skip
    bench(config)
    text = (tmp_path / "service.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["levels"][0]["inter_token"] == [None] * 3


def test_refusals_are_counted():
    app = create_app({"writer": writer()}, Limits(max_rows=1, max_batch=1, max_queue=0))
    with running(app) as url:
        config = BenchConfig(
            url=url, model="writer", prompt="a", concurrency=(3,), seconds=0.5, max_tokens=9
        )
        (level,) = bench(config).levels
        assert level.n_refused > 0
        assert level.n_requests > 0


def test_what_goes_wrong_is_told(url):
    with pytest.raises(ConnectionError, match=r"http://127.0.0.1:9 does not answer .* serve"):
        bench(BenchConfig(url="http://127.0.0.1:9"))
    with pytest.raises(RuntimeError, match=r"answered 404: .*no model 'nobody'"):
        bench(BenchConfig(url=url, model="nobody", seconds=5.0))
    with pytest.raises(RuntimeError, match=r"failed: The model broken failed: .*NaN"):
        bench(BenchConfig(url=url, model="broken", prompt="!", seconds=5.0))
    with pytest.raises(ValueError, match="concurrency must name at least one"):
        BenchConfig(concurrency=())
