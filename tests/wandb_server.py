"""As much of a W&B server, on this machine, as saving a report and syncing a run ask for; it keeps what it was sent."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"id": "p", "name": "a-project", "entityName": "me", "createdAt": "", "isBenchmark": False, "user": None}


class Server(ThreadingHTTPServer):
    """`reports`: the variables of each report saved. `runs`: each run's streamed files, as lists of lines.
    `about`: each run's group, configuration and tags."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reports: list[dict[str, Any]] = []
        self.runs: dict[str, dict[str, list[str]]] = {}
        self.about: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stream(self, run: str, files: dict[str, Any]) -> None:
        """Lines of files, from an offset on: what is sent again replaces what was there."""
        for name, part in files.items():
            lines = self.runs.setdefault(run, {}).setdefault(name, [])
            lines[part["offset"] :] = part["content"]

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        if operation == "upsertView":
            self.reports.append(variables)
            project = {"id": "p", "name": variables["projectName"], "entityName": variables["entityName"]}
            same = {k: variables[k] for k in ("name", "displayName", "description", "type", "spec")}
            return {"upsertView": {"view": {"id": "Vmlldzox", "project": project, "updatedAt": None, **same}}}
        if operation == "GetProjects":
            page = {"endCursor": "c", "hasNextPage": False}
            return {"models": {"edges": [{"node": PROJECT, "cursor": "c"}], "pageInfo": page}}
        if operation == "UpsertBucket":
            about = self.about.setdefault(variables["name"], {})
            about.update({k: v for k, v in variables.items() if v is not None})
            project = {"id": "p", "name": variables["project"], "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "r", "name": variables["name"], "displayName": "d", "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket | {"historyLineCount": 0}, "inserted": True}}
        if operation == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.url}/upload/{f}"} for f in variables["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        viewer = {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer, "serverInfo": {"features": []}, "model": None}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.headers["Content-Encoding"] == "gzip":
            sent = gzip.decompress(sent)
        said: dict[str, Any] = {}
        if self.path == "/graphql":
            asked = json.loads(sent)
            operation = re.findall(r"(?:query|mutation)\s+(\w+)", asked["query"])[0]
            said = {"data": self.server.answer(operation, asked.get("variables") or {})}
        elif self.path.endswith("/file_stream"):
            self.server.stream(self.path.split("/")[-2], json.loads(sent).get("files") or {})
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
