#!/usr/bin/env python3
"""mocra-bench fetch beside wrk, h2load and libcurl on one nginx, in turn, pinned. See perf/README.md."""

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import report
from clients import DRIVERS, bench, compiled_curl, require, run_curl, run_h2load, run_mocra, run_wrk
from origin import ITEM_BYTES, PAGE_BYTES, Failure, origin


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison: what is fetched, how, by whom else, and the ratios to reach."""

    name: str
    title: str
    kind: str
    path: str
    peer: str
    connections: int
    # CPU time a request as a part of the peer's, by mode of mocra-bench.
    targets: dict
    streams: int = 1
    gzip: bool = False

    @property
    def body_bytes(self):
        return ITEM_BYTES if self.path == "item.html" else PAGE_BYTES


ROWS = [
    Row("http-1k", "HTTP/1.1 1 KiB, 64 connections", "http", "item.html", "wrk", 64,
        {"batch": 0.90, "async": 1.00}),
    Row("http-1k-1024", "HTTP/1.1 1 KiB, 1,024 connections", "http", "item.html", "wrk", 1024,
        {"batch": 0.85}),
    Row("http-32k", "HTTP/1.1 32 KiB, 64 connections", "http", "page.html", "wrk", 64, {"batch": 0.75}),
    Row("https-1k", "TLS 1.3 HTTP/1.1 1 KiB, 64 connections", "https", "item.html", "wrk", 64,
        {"batch": 0.90}),
    # No target of its own.
    Row("https-1k-1024", "TLS 1.3 HTTP/1.1 1 KiB, 1,024 connections", "https", "item.html", "wrk", 1024,
        {"batch": None, "async": None}),
    Row("https-32k", "TLS 1.3 HTTP/1.1 32 KiB, 64 connections", "https", "page.html", "wrk", 64,
        {"batch": 0.80}),
    Row("http2-1k", "TLS HTTP/2 1 KiB, 4 connections × 16 streams", "http2", "item.html", "h2load", 4,
        {"batch": 1.15}, streams=16),
    Row("gzip-even", "32 KiB even page, gzip, decoded, 64 connections", "http", "even.html", "curl", 64,
        {"batch": 0.55}, gzip=True),
    Row("gzip-varied", "32 KiB page of text, gzip, decoded, 64 connections", "http", "varied.html", "curl",
        64, {"batch": 0.55}, gzip=True),
]
# Bytes of resident memory a connection.
IDLE_TARGETS = {"http": 8 << 10, "https": 24 << 10}
ALLOCATIONS_TARGET = 2
PEERS = {"wrk": run_wrk, "h2load": run_h2load, "curl": run_curl}


def tools_of(options, row):
    """Who runs in this row, in which order: (name, mode, driver), the peer first."""
    tools = [(row.peer, None, None)]
    for mode in [mode for mode in row.targets if mode in options.mode]:
        tools.append((f"mocra {mode}", mode, "ring"))
    if "epoll" in options.driver:
        # No target of its own: it is the way out where io_uring is refused.
        tools.append(("mocra batch, epoll", "batch", "epoll"))
    return tools


def compare(options, row, served):
    """Rounds of each tool in turn, then medians; a ratio is of two runs of one round."""
    url = served.url(row.kind, row.path)
    tools = tools_of(options, row)
    runs = {name: [] for name, _, _ in tools}
    for _ in range(options.rounds):
        for name, mode, driver in tools:
            if mode is None:
                runs[name].append(PEERS[row.peer](options, row, url))
            else:
                runs[name].append(run_mocra(options, row, url, served.ca, mode, driver))
    results = []
    for name, mode, driver in tools:
        ratios = [one["cpu_us"] / peer["cpu_us"] for one, peer in zip(runs[name], runs[row.peer])]
        results.append({
            "row": row.name, "title": row.title, "connections": row.connections, "streams": row.streams,
            "tool": name, "peer": row.peer, "mode": mode, "driver": driver,
            "requests_per_second": statistics.median(one["rate"] for one in runs[name]),
            "cpu_us_per_request": statistics.median(one["cpu_us"] for one in runs[name]),
            "ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios),
            "target": row.targets.get(mode) if driver == "ring" else None,
            "allocations_per_request": statistics.median(one["allocations"] for one in runs[name])
            if mode else None,
            "errors": sum(one["errors"] for one in runs[name]),
        })
    return results


def hold(options, served):
    """Idle connections and the memory of each, then as many that are busy; one round: bytes do not drift."""
    results = []
    count = options.held
    for kind, target in IDLE_TARGETS.items():
        result, _ = bench(options, ["--url", served.url(kind, "item.html"), "--http1", "--idle", str(count)],
                          served.ca)
        results.append({
            "row": f"idle-{kind}",
            "title": f"{count:,} idle connections, {'TLS' if kind == 'https' else 'plain'}",
            "connections": count,
            "bytes_per_connection": result["bytes_per_connection"], "target": target,
            "errors": result["failed"] + count - result["connections_held"],
        })
    result, _ = bench(
        options, ["--url", served.url("http", "item.html"), "--http1", "--active", str(count),
                  "--warmup", "0", "--seconds", str(max(options.seconds, 5))], served.ca)
    results.append({
        "row": "active", "title": f"{count:,} connections, a request under way on each", "connections": count,
        "requests": result["requests"], "errors": result["errors"], "target": 0,
        "p99_ms": result["latency_us"]["p99"] / 1000,
    })
    return results


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else "?"


def facts():
    """The machine, the kernel, the versions and the commit: what a figure is worth nothing without."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    folder = os.path.dirname(os.path.abspath(__file__))
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(),
        "kernel": platform.release(), "nginx": first_line("nginx", "-v"), "wrk": first_line("wrk", "-v"),
        "h2load": first_line("h2load", "--version"), "openssl": first_line("openssl", "version"),
        "curl": first_line("curl-config", "--version"),
        "commit": first_line("git", "-C", folder, "rev-parse", "--short", "HEAD"),
        "load_before": os.getloadavg()[0],
    }


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: scripts/bench --all; scripts/bench 3 --row http-1k https-1k")
    parser.add_argument("--mocra-bench", required=True, help="the binary")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each client in each row")
    parser.add_argument("--seconds", type=int, default=3, help="length of one turn")
    parser.add_argument("--mode", nargs="+", default=["batch", "async"], choices=["batch", "async"])
    parser.add_argument("--driver", nargs="+", default=["ring"], choices=list(DRIVERS))
    parser.add_argument("--row", nargs="+", choices=[row.name for row in ROWS] + ["held"], help="only these")
    parser.add_argument("--held", type=int, default=10_000, help="connections of the row \"held\"")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument(
        "--results", metavar="NAME", help="write NAME.json, NAME.md and, where matplotlib is, NAME.svg")
    return parser.parse_args()


def check(options):
    require(["nginx", "openssl", "taskset", "cc", "wrk", "h2load"])
    if max(options.server_core, options.client_core) >= (os.cpu_count() or 1):
        raise Failure(f"this machine has {os.cpu_count()} core(s): give --server-core and --client-core")
    if options.rounds < 1 or options.seconds < 1 or options.held < 2:
        raise Failure("--rounds and --seconds take 1 or more, --held 2 or more")


def main():
    options = parse_arguments()
    check(options)
    started = time.monotonic()
    results = []
    machine = facts()
    report.print_header()
    with compiled_curl() as options.curl, contextlib.ExitStack() as stack:
        served = stack.enter_context(origin(options.server_core, max(options.held, 2048)))
        for row in ROWS:
            if options.row and row.name not in options.row:
                continue
            for result in compare(options, row, served):
                results.append(result)
                report.print_row(result)
        if not options.row or "held" in options.row:
            for result in hold(options, served):
                results.append(result)
                report.print_held(result)
    seconds = time.monotonic() - started
    run = {
        "machine": machine, "rounds": options.rounds, "seconds_a_turn": options.seconds,
        "seconds_in_all": round(seconds), "allocations_target": ALLOCATIONS_TARGET, "results": results,
    }
    if options.results:
        report.write_all(run, options.results)
    print(f"{seconds:.0f} s in all")
    if any(result["errors"] for result in results):
        raise Failure("there were failed requests: these figures are no comparison")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
