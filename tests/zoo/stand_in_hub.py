"""A stand-in of the Hugging Face Hub: as much of its HTTP interface as pushing and loading needs.

It keeps repositories in memory, one commit after the other, and writes down what was asked of it.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_stand_in"


@dataclass
class Hub:
    """What lies on the stand-in.

    Attributes:
        address: where it listens.
        files: contents by repository and name.
        private: whether a repository is private, by its name.
        asked: requests, each as method and path.
        messages: of the commits.
        fails: how a request goes wrong, by "METHOD path": a status in place of doing it, or "cut"
            to send half of the answer and hang up.
    """

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    fails: dict[str, int | str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, code: int, content: Any, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self._fault() == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(body)

    def _fault(self) -> int | str | None:
        return self.hub.fails.get(f"{self.command} {unquote(urlsplit(self.path).path)}")

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self) -> None:
        path, body = unquote(urlsplit(self.path).path), self._read()
        self.hub.asked.append(f"POST {path}")
        if isinstance(status := self._fault(), int):
            return self._answer(status, {"error": "the stand-in fails"})
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(x for x in (asked.get("organization"), asked["name"]) if x)
            self.hub.files.setdefault(name, {})
            # By either word, that of the library's versions before 1 and that of later ones.
            self.hub.private[name] = asked.get("visibility") == "private" or bool(
                asked.get("private")
            )
            return self._answer(200, {"url": f"{self.hub.address}/{name}", "name": name})
        repository, _, action = path.removeprefix("/api/models/").rpartition("/")
        repository, _, kind = repository.rpartition("/")
        if kind == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self._answer(200, {"files": files})
        if kind == "commit":
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "header":
                    self.hub.messages.append(entry["value"]["summary"])
                elif entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.hub.files[repository][entry["value"]["path"]] = content
            answer = {
                "success": True,
                "commitOid": "c" * 40,
                "commitUrl": f"{self.hub.address}/{repository}/commit/{'c' * 40}",
            }
            return self._answer(200, answer)
        return self._answer(404, {"error": f"the stand-in knows no {action} at {path}"})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if isinstance(status := self._fault(), int):
            return self._answer(status, {"error": "the stand-in fails"})
        if path.startswith("/api/models/"):
            name = "/".join(path.removeprefix("/api/models/").split("/")[:2])
            files = self.hub.files.get(name)
            if files is None:
                return self._answer(404, {"error": "none"}, X_Error_Code="RepoNotFound")
            listed = [{"rfilename": file} for file in files]
            model = {"id": name, "modelId": name, "sha": "c" * 40, "siblings": listed}
            return self._answer(200, model)
        repository, _, rest = path.lstrip("/").partition("/resolve/")
        content = self.hub.files.get(repository, {}).get(rest.partition("/")[2])
        if content is None:
            code = "EntryNotFound" if repository in self.hub.files else "RepoNotFound"
            return self._answer(404, {"error": "none"}, X_Error_Code=code)
        etag = hashlib.sha256(content).hexdigest()
        return self._answer(200, content, ETag=f'"{etag}"', X_Repo_Commit="c" * 40)

    do_HEAD = do_GET  # noqa: N815


@contextmanager
def stand_in_hub() -> Iterator[Hub]:
    """Serve a hub on this machine while the context lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
