"""A loopback server that speaks as much of the Hugging Face hub's API as its own client needs.

Paths, headers and error codes: https://huggingface.co/docs/hub/api and ``huggingface_hub/utils/_http.py``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".onnx", ".onnx_data", ".safetensors")
"""Files that the hub keeps elsewhere, and redirects to."""


@dataclass
class Repository:
    """Commits and branches of one model."""

    commits: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    """The expected value of ``Authorization``, if the repository is private."""
    gated: bool = False

    def push(self, directory: Path, branch: str = "main") -> str:
        """A commit with the files of a directory; its hash."""
        files = {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.*")}
        commit = sha1(repr(sorted(files.items())).encode()).hexdigest()  # noqa: S324
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    authorization: str | None
    range: str | None


class Hub:
    """Repositories behind an address. The files' own address has another host name, as the hub's CDN has."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.failing: int | None = None
        """A status that every request of the API gets."""
        self.broken_after: list[int] = []
        """Bytes after which the connection breaks, for each of the next downloads."""
        self.rejected_token: str | None = None
        hub = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                hub.handle(self)

            do_HEAD = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def handle(self, handler: _Handler) -> None:
        path = unquote(urlsplit(handler.path).path)
        self.requests.append(Request(handler.command, path, handler.headers["Authorization"], handler.headers["Range"]))
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            self._send_large(handler, parts[1])
        elif self.failing is not None:
            handler.answer(self.failing)
        elif len(parts) < 4:
            handler.answer(404)  # what the client asks on its own account
        elif parts[:2] == ["api", "models"]:
            self._send_listing(handler, "/".join(parts[2:4]), parts[4:])
        else:
            self._send_file(handler, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))

    def _found(self, handler: _Handler, name: str, revision: str) -> tuple[str, Mapping[str, bytes]] | None:
        repository = self.repositories.get(name)
        sent = handler.headers["Authorization"]
        if self.rejected_token and sent == f"Bearer {self.rejected_token}":
            handler.answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repository is None or (repository.token and sent != f"Bearer {repository.token}"):
            handler.answer(401, {"X-Error-Code": "RepoNotFound"})  # the same for a missing and a private one
        elif repository.gated:
            handler.answer(403, {"X-Error-Code": "GatedRepo"})
        else:
            commit = repository.branches.get(revision, revision)
            if commit in repository.commits:
                return commit, repository.commits[commit]
            handler.answer(404, {"X-Error-Code": "RevisionNotFound"})
        return None

    def _send_file(self, handler: _Handler, name: str, revision: str, file: str) -> None:
        found = self._found(handler, name, revision)
        if found is None:
            return
        commit, files = found
        known = {"X-Repo-Commit": commit}
        if file not in files:
            handler.answer(404, {**known, "X-Error-Code": "EntryNotFound"})
        elif file.endswith(LARGE):
            digest = sha256(files[file]).hexdigest()
            port = self._server.server_port
            large = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(files[file]))}
            handler.answer(
                302, {**known, **large, "Location": f"http://localhost:{port}/cdn/{digest}?Signature=s3cr3t"}
            )
        else:
            etag = sha1(files[file]).hexdigest()  # noqa: S324
            handler.answer(200, {**known, "ETag": f'"{etag}"'}, files[file])

    def _send_listing(self, handler: _Handler, name: str, rest: list[str]) -> None:
        found = self._found(handler, name, rest[1] if len(rest) > 1 else "main")
        if found is None:
            return
        commit, files = found
        said: Any = {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]}
        if rest and rest[0] == "tree":
            said = [{"type": "file", "path": file, "size": len(body), "oid": "0"} for file, body in files.items()]
        handler.answer(200, {"Content-Type": "application/json"}, json.dumps(said).encode())

    def _send_large(self, handler: _Handler, digest: str) -> None:
        commits = [files for each in self.repositories.values() for files in each.commits.values()]
        bodies = {sha256(body).hexdigest(): body for files in commits for body in files.values()}
        body = bodies[digest]
        asked = handler.headers["Range"]
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if handler.command == "GET" and self.broken_after:
            handler.break_off(body[start:], self.broken_after.pop(0), start)
            return
        headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if asked else {}
        handler.answer(206 if asked else 200, headers, body[start:])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def break_off(self, body: bytes, after: int, start: int) -> None:
        """Promise all of the body, and close the connection after ``after`` bytes of it."""
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{start + len(body)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:after])
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Standard error is for pytest."""
