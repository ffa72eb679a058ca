"""A clean environment for each test: no folder, an empty cache, no network unless it is wanted."""

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder; data folders and switches of the developer are out of sight."""
    monkeypatch.delenv("AIGC_TUTORIAL_DATA", raising=False)
    monkeypatch.delenv("AIGC_TUTORIAL_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
