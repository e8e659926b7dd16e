#!/usr/bin/python3
# A host with a public address, in a network namespace that it must be started in, which leads a crawl astray.
"""Serve a site on a public address and a private one beside it, crawl the first, and tell what was asked for.

Nothing leaves the machine: the public address exists in this process's own network namespace only.

Example: unshare --net --map-root-user public_host.py .build/debug/mocra
"""

import http.server
import json
import subprocess
import sys
import threading

PUBLIC = "5.5.5.5"
PRIVATE = "10.1.2.3"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from its server's table of paths: a text, or ("redirect", target)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        body = answer.encode() if isinstance(answer, str) else b""
        self.send_response(404 if answer is None else 200 if isinstance(answer, str) else 302)
        if isinstance(answer, tuple):
            self.send_header("Location", answer[1])
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def serve(address, answers):
    """A server on a free port of the address."""
    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    server.answers = answers
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    for words in ("link set lo up", f"addr add {PUBLIC}/32 dev lo", f"addr add {PRIVATE}/32 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    secrets = [serve(address, {"/secret": "secret"}) for address in (PRIVATE, "127.0.0.1")]
    inside, loopback = (f"{server.server_address[0]}:{server.server_port}" for server in secrets)
    astray = {
        "/inside": f"http://{inside}/secret",
        "/loopback": f"http://{loopback}/secret",
        "/mapped": f"http://[::ffff:{loopback.replace(':', ']:')}/secret",
        "/number": f"http://2130706433:{loopback.split(':')[1]}/secret",
        "/unspecified": f"http://0.0.0.0:{loopback.split(':')[1]}/secret",
        "/metadata": "http://169.254.169.254/latest/meta-data/",
    }
    answers = {path: ("redirect", target) for path, target in astray.items()}
    answers["/fine"] = ("redirect", "/page")
    answers["/page"] = "<title>page</title>"
    targets = list(answers) + list(astray.values())
    answers["/"] = "".join(f'<a href="{target}">x</a>' for target in targets)
    site = serve(PUBLIC, answers)
    crawl = subprocess.run(
        [sys.argv[1], "crawl", f"http://{PUBLIC}:{site.server_port}/", "-o", "-", "--delay", "0"]
        + [part for host in (PRIVATE, "127.0.0.1", "0.0.0.0", "169.254.169.254", "[::ffff:7f00:1]")
           for part in ("--allow-host", host)],
        capture_output=True, text=True, timeout=60, check=False)
    print(json.dumps({
        "exit_code": crawl.returncode,
        "summary": crawl.stderr,
        "items": [json.loads(line) for line in crawl.stdout.splitlines()],
        "asked": site.asked,
        "asked_inside": [path for server in secrets for path in server.asked],
    }))


if __name__ == "__main__":
    main()
