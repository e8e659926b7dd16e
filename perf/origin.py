"""The server that clients are compared on: one nginx, pinned to a core, with pages of a known size."""

import contextlib
import gzip
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

ITEM_BYTES = 1024
PAGE_BYTES = 32 * 1024
PAGE_LINKS = 100
WAIT_S = 30

NGINX_CONFIGURATION = """
daemon off;
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {worker_connections}; }}
http {{
    types {{ text/html html; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    # Closing would measure connecting; here a connection lives as long as a round.
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    open_file_cache max=100;
    gzip_static on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    root {folder}/site;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.3;
    server {{
        listen 127.0.0.1:{http} backlog=16384;
        listen 127.0.0.1:{https} ssl backlog=16384;
    }}
    server {{ listen 127.0.0.1:{http2} ssl http2 backlog=4096; }}
}}
"""


class Failure(Exception):
    """Something a person must see: what, where, what to do."""


class Origin:
    """Where the running server is: its ports by name, and the file of its certificate authority."""

    def __init__(self, ports, ca):
        self.ports = ports
        self.ca = ca

    def url(self, kind, path):
        scheme = "http" if kind == "http" else "https"
        return f"{scheme}://127.0.0.1:{self.ports[kind]}/{path}"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def free_ports(count):
    """Ports that are free now. Bound together, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def page(size, links):
    head = "<!DOCTYPE html><html><head><title>A page of a known size</title></head><body>\n"
    rows = "".join(f'<p>Entry {n}: <a href="/item/{n}.html">the item {n}</a></p>\n' for n in range(links))
    tail = "</body></html>\n"
    filler = "<p>" + "Some words that are here to be counted as text. " * 2 + "</p>\n"
    text = head + rows
    while len(text) + len(filler) + len(tail) <= size:
        text += filler
    return text + " " * (size - len(text) - len(tail)) + tail


def varied_page(size, links):
    """A page that packs like written text, to about a quarter, not to a thirtieth as the other one does."""
    choice = random.Random(1)
    letters = "eeeeeeeeeeeettttttttaaaaaaaoooooooiiiiiinnnnnnsssssshhhhhrrrrrddddlllccuummwwffggyyppbbvk"
    words = ["".join(choice.choices(letters, k=choice.randint(2, 9))) for _ in range(500)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    text = "<!DOCTYPE html><html><head><title>A page of a known size</title></head><body>\n"
    for number in range(links):
        said = " ".join(choice.choices(words, weights, k=40))
        target = "/".join(choice.choices(words, k=2))
        text += f'<p class="entry">{said} <a href="/{target}/{number}.html">{target}</a></p>\n'
    tail = "</body></html>\n"
    return (text + " " * size)[:size - len(tail)] + tail


def make_site(folder):
    os.mkdir(f"{folder}/site")
    write(f"{folder}/site/item.html", page(ITEM_BYTES, 0))
    write(f"{folder}/site/page.html", page(PAGE_BYTES, PAGE_LINKS))
    # For clients that ask for gzip nginx sends the packed file beside the plain one.
    for name, make in (("even", page), ("varied", varied_page)):
        text = make(PAGE_BYTES, PAGE_LINKS)
        write(f"{folder}/site/{name}.html", text)
        with gzip.open(f"{folder}/site/{name}.html.gz", "wb", compresslevel=6) as file:
            file.write(text.encode())


def make_certificates(folder):
    """A certificate authority for this run alone, and a server certificate for loopback signed by it."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *curve, "-days", "2", "-subj", "/CN=mocra bench CA",
        "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")
    run("openssl", "req", *curve, "-subj", "/CN=localhost",
        "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr")
    write(f"{folder}/extensions", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("openssl", "x509", "-req", "-in", f"{folder}/server.csr", "-CA", f"{folder}/ca.pem",
        "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{folder}/extensions",
        "-out", f"{folder}/server.pem")


def wait_until_listening(port, process, log):
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                text = open(log, encoding="utf-8").read() if os.path.exists(log) else ""
                raise Failure(f"nginx does not listen on port {port}: {error} {text}") from error
            time.sleep(0.02)


@contextlib.contextmanager
def origin(core, connections):
    """nginx on three free ports, pinned to `core`, with room for as many connections: yields an Origin."""
    with tempfile.TemporaryDirectory(prefix="mocra-bench-") as folder:
        make_site(folder)
        make_certificates(folder)
        # The worker gives up root's rights where it starts as root: the folder must then be readable.
        os.chmod(folder, 0o755)
        names = ("http", "https", "http2")
        ports = dict(zip(names, free_ports(len(names))))
        configuration = f"{folder}/nginx.conf"
        # nginx closes idle connections once less than a sixteenth of its room is left.
        room = connections * 5 // 4 + 512
        text = NGINX_CONFIGURATION.format(
            folder=folder, worker_connections=room, descriptors=room + 512, **ports)
        write(configuration, text)
        process = subprocess.Popen(
            ["taskset", "-c", str(core), "nginx", "-p", folder, "-c", configuration],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for port in ports.values():
                wait_until_listening(port, process, f"{folder}/error.log")
            yield Origin(ports, f"{folder}/ca.pem")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=WAIT_S)
