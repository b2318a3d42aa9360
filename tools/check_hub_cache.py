#!/usr/bin/env python3
"""Checks that this program and Python's huggingface_hub find each other's files in the cache.

    tools/python && .venv/bin/python tools/check_hub_cache.py target/release/pipeline

Both ask a server on 127.0.0.1 that answers as a hub does. Written for huggingface_hub 2.4.0.
"""

import hashlib
import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {f"/timm/mobileone_s{n}.apple_in1k/resolve/main/model.safetensors": bytes([n]) * (1 << 20) for n in range(2)}
asked = []


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked.append((self.command, self.path, self.headers.get("Range")))
        body = FILES.get(self.path)
        if body is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        total, span = len(body), self.headers.get("Range")
        tag = hashlib.sha256(body).hexdigest()
        first = 0
        if span:
            first, _, last = span.removeprefix("bytes=").partition("-")
            first = int(first)
            body = body[first : int(last) + 1 if last else None]
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{total}")
        for name, value in [
            ("Content-Length", len(body)),
            ("Accept-Ranges", "bytes"),
            ("ETag", f'"{tag}"'),
            ("X-Linked-ETag", f'"{tag}"'),
            ("X-Linked-Size", total),
            ("X-Repo-Commit", COMMIT),
        ]:
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def main():
    pipeline = pathlib.Path(sys.argv[1]).resolve()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"HF_HOME": home, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
        os.environ.pop("HF_HUB_OFFLINE", None)

        def ours(name, **more):
            words = [pipeline, "weights", "fetch", name]
            return subprocess.run(words, env=os.environ | more, check=True, capture_output=True, text=True).stdout.strip()

        # Read when it is imported: after the variables are set.
        from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache

        first, second = "timm/mobileone_s0.apple_in1k", "timm/mobileone_s1.apple_in1k"
        path = ours(first)
        assert hf_hub_download(first, "model.safetensors", local_files_only=True) == path
        assert try_to_load_from_cache(first, "model.safetensors") == path
        before = len(asked)
        assert hf_hub_download(first, "model.safetensors") == path
        assert all(command == "HEAD" for command, *_ in asked[before:]), asked[before:]
        print("Python finds what this program fetched, and does not download it again")

        path = hf_hub_download(second, "model.safetensors")
        before = len(asked)
        assert ours(second, HF_HUB_OFFLINE="1") == path
        assert len(asked) == before, asked[before:]
        print("this program finds what Python downloaded, and asks nobody")

        scanned = scan_cache_dir()
        assert not scanned.warnings, scanned.warnings
        found = {repository.repo_id: repository.size_on_disk for repository in scanned.repos}
        assert found == {first: 1 << 20, second: 1 << 20}, found
        print("scan_cache_dir lists both without a warning")


if __name__ == "__main__":
    main()
