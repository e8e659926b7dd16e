"""A TLS server that speaks HTTP/2 in frames written by hand, well or badly.

usage: http2_origin.py CERTIFICATE KEY

Prints its port, then serves until it is ended. What it does on a connection is the first label of the name
that the client asks for by SNI: `ping-flood.test` floods with pings.
"""

import socket
import ssl
import struct
import sys
import threading
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUS_200 = b"\x88"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header field that is not indexed (RFC 7541, section 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(stream, block=STATUS_200, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block)


def whole(stream, text=b"hello"):
    return headers(stream) + frame(DATA, END_STREAM, stream, text)


def reset(stream, code):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def goaway(last, code=0):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


def flood(connection, piece):
    """Sends a piece again and again until the client has had enough."""
    block = piece * max(1, 16384 // len(piece))
    while True:
        connection.sendall(block)


def hold(connection):
    """Reads and says nothing until the client goes away."""
    while connection.recv(65536):
        pass


def header_bomb(connection, stream):
    # One large entry in the dynamic table, named by a byte each time.
    entry = b"\x40" + b"\x01a" + b"\x7f\x81\x1f" + b"x" * 4096
    connection.sendall(headers(stream, STATUS_200 + entry, 0))
    flood(connection, frame(CONTINUATION, 0, stream, b"\xbe" * 16000))


def continuation_flood(connection, stream):
    connection.sendall(headers(stream, STATUS_200, 0))
    flood(connection, frame(CONTINUATION, 0, stream))


def interim_flood(connection, stream):
    early = b"\x08\x03103"
    flood(connection, headers(stream, early))


def endless_headers(connection, stream):
    connection.sendall(headers(stream, STATUS_200, 0))
    number = 0
    while True:
        number += 1
        connection.sendall(frame(CONTINUATION, 0, stream, literal(b"x-%d" % number, b"y" * 100)))


def mid_goaway(connection, stream):
    connection.sendall(headers(stream) + frame(DATA, 0, stream, b"hel") + goaway(stream))
    time.sleep(0.05)
    connection.sendall(frame(DATA, END_STREAM, stream, b"lo"))
    hold(connection)


def drip(connection, stream):
    for byte in whole(stream):
        connection.sendall(bytes([byte]))
        time.sleep(0.002)
    hold(connection)


def send(*pieces):
    def play(connection, stream):
        for piece in pieces:
            connection.sendall(piece(stream) if callable(piece) else piece)
        hold(connection)

    return play


def send_and_close(*pieces):
    def play(connection, stream):
        for piece in pieces:
            connection.sendall(piece(stream) if callable(piece) else piece)

    return play


def flooding(piece):
    return lambda connection, stream: flood(connection, piece(stream) if callable(piece) else piece)


BEHAVIOURS = {
    "ok": send(whole),
    "trailers": send(
        headers_ok := (lambda s: headers(s) + frame(DATA, 0, s, b"hello")),
        lambda s: headers(s, literal(b"x-checksum", b"1"), END_HEADERS | END_STREAM),
    ),
    "interim": send(lambda s: headers(s, b"\x08\x03103"), whole),
    "drip": drip,
    "mid-goaway": mid_goaway,
    "settings-flood": flooding(frame(SETTINGS, 0, 0)),
    "ping-flood": flooding(frame(PING, 0, 0, b"12345678")),
    "priority-flood": flooding(lambda s: frame(PRIORITY, 0, s, b"\0\0\0\0\1")),
    "window-flood": flooding(lambda s: frame(WINDOW_UPDATE, 0, s, struct.pack(">I", 1))),
    "unknown-flood": flooding(frame(0x77, 0, 0, b"x" * 100)),
    "empty-data-flood": lambda c, s: (c.sendall(headers(s)), flood(c, frame(DATA, 0, s))),
    "reset-flood": lambda c, s: flood(c, reset(s, 8)),
    "continuation-flood": continuation_flood,
    "interim-flood": interim_flood,
    "endless-headers": endless_headers,
    "header-bomb": header_bomb,
    "reset": send(lambda s: reset(s, 2)),
    "reset-mid-body": send(headers_ok, lambda s: reset(s, 8)),
    "refused": send(lambda s: reset(s, 7)),
    "goaway-first": send_and_close(goaway(0)),
    "goaway-error": send_and_close(goaway(0, 11)),
    "close-first": send_and_close(),
    "close-mid-body": send_and_close(headers_ok),
    "close-mid-head": send_and_close(lambda s: headers(s)[:6]),
    "data-first": send(lambda s: frame(DATA, END_STREAM, s, b"hello")),
    "other-stream": send(lambda s: whole(s + 100)),
    "large-frame": send(headers, lambda s: frame(DATA, 0, s, b"x" * 20000)),
    "bad-hpack": send(lambda s: headers(s, b"\xff\xff\xff\xff\xff\xff\xff")),
    "push": send(lambda s: frame(PUSH_PROMISE, END_HEADERS, s, struct.pack(">I", 2) + b"\x82")),
    "length-long": send(
        lambda s: headers(s, STATUS_200 + literal(b"content-length", b"10")),
        lambda s: frame(DATA, END_STREAM, s, b"hello"),
    ),
    "length-short": send(
        lambda s: headers(s, STATUS_200 + literal(b"content-length", b"2")),
        lambda s: frame(DATA, END_STREAM, s, b"hello"),
    ),
    "no-status": send(lambda s: headers(s, literal(b"server", b"x"), END_HEADERS | END_STREAM)),
    "upper-case": send(lambda s: headers(s, STATUS_200 + literal(b"Server", b"x"), END_HEADERS | END_STREAM)),
    "connection-field": send(
        lambda s: headers(s, STATUS_200 + literal(b"connection", b"close"), END_HEADERS | END_STREAM)
    ),
    "line-break": send(
        lambda s: headers(s, STATUS_200 + literal(b"x", b"a\r\nb: c"), END_HEADERS | END_STREAM)
    ),
    "window-overflow": send(lambda s: 2 * frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF))),
    "garbage": send(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256))),
    "stall": lambda c, s: hold(c),
    "stall-mid-body": send(headers_ok),
    "needs-http1": send(lambda s: reset(s, 13)),
    "zero-streams": send(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 0)), whole),
}


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def serve_http1(connection):
    while b"\r\n\r\n" not in connection.recv(65536):
        pass
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    hold(connection)


def serve(connection, behaviour):
    read_exactly(connection, len(PREFACE))
    connection.sendall(frame(SETTINGS, 0, 0))
    while True:
        head = read_exactly(connection, 9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        read_exactly(connection, length)
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(frame(SETTINGS, ACK, 0))
        if kind == HEADERS:
            BEHAVIOURS[behaviour](connection, stream)
            return


def accept(raw, context):
    try:
        with context.wrap_socket(raw, server_side=True) as connection:
            behaviour = connection.context_behaviour
            if connection.selected_alpn_protocol() == "h2":
                serve(connection, behaviour)
            else:
                serve_http1(connection)
    except (OSError, ConnectionError):
        raw.close()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    context.set_alpn_protocols(["h2", "http/1.1"])

    def named(connection, name, _):
        connection.context_behaviour = (name or "ok").split(".")[0]

    context.sni_callback = named
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)

    def listen():
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=accept, args=(raw, context), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    threading.Event().wait()


main()
