"""The clients that are compared: how each is started, and what one run of it cost."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from origin import Failure, run

# Debian's package of each program.
PACKAGES = {
    "nginx": "nginx", "openssl": "openssl", "taskset": "util-linux", "wrk": "wrk",
    "h2load": "nghttp2-client", "cc": "gcc",
}
# What mocra-bench calls the drivers.
DRIVERS = {"ring": "io_uring", "epoll": "epoll"}
CURL_SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "curl_multi.c")


def require(programs):
    for program in programs:
        if not shutil.which(program):
            raise Failure(
                f"{program} is missing: install Debian's package {PACKAGES.get(program, program)}"
                " (scripts/bootstrap --test installs all)")


@contextlib.contextmanager
def compiled_curl():
    """perf/peers/curl_multi.c as a program that is there for the time of the `with`."""
    with tempfile.TemporaryDirectory(prefix="mocra-peer-") as folder:
        binary = f"{folder}/curl_multi"
        try:
            run("cc", "-std=gnu17", "-O2", CURL_SOURCE, "-lcurl", "-o", binary)
        except Failure as failure:
            if "curl/curl.h" in str(failure) or "-lcurl" in str(failure):
                message = "libcurl is missing: install Debian's package libcurl4-openssl-dev"
                raise Failure(message) from failure
            raise
        yield binary


def timed(core, command, environment=None):
    """Runs a client pinned to `core`: its output, and the CPU time of its process and threads in µs."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        output = out.read()
        if process.returncode != 0:
            raise Failure(
                f"{' '.join(command)} ended with {process.returncode}: {errors.read().strip()} {output}")
        return output, (usage.ru_utime + usage.ru_stime) * 1e6


def measured(requests, errors, seconds, cpu_us, **more):
    if requests == 0:
        raise Failure("a client made no request at all")
    return {"cpu_us": cpu_us / requests, "rate": requests / seconds, "errors": errors, **more}


def run_wrk(options, row, url):
    output, cpu_us = timed(
        options.client_core,
        ["wrk", "-t1", f"-c{row.connections}", f"-d{options.seconds}s",
         "-H", "Accept-Encoding: identity", url])
    requests = re.search(r"(\d+) requests in", output)
    if not requests:
        raise Failure(f"wrk made no request to {url}:\n{output}")
    # wrk prints such lines only where something failed.
    bad = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", output))
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    bad += sum(int(n) for n in sockets.groups()) if sockets else 0
    return measured(int(requests[1]), bad, options.seconds, cpu_us)


def run_h2load(options, row, url):
    output, cpu_us = timed(
        options.client_core,
        ["h2load", "-t1", f"-c{row.connections}", f"-m{row.streams}", f"-D{options.seconds}",
         "-H", "accept-encoding: identity", url])
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    if not counts:
        raise Failure(f"h2load made no request to {url}:\n{output}")
    succeeded, failed, errored, late = (int(n) for n in counts.groups())
    return measured(succeeded, failed + errored + late, options.seconds, cpu_us)


def run_curl(options, row, url):
    output, cpu_us = timed(
        options.client_core,
        [options.curl, url, str(row.connections), str(options.seconds), "gzip" if row.gzip else "identity"])
    result = json.loads(output)
    if result["body_bytes"] != row.body_bytes:
        raise Failure(f"libcurl did not fetch {url} whole:\n{output}")
    return measured(result["requests"], result["errors"], result["seconds"], cpu_us)


def bench(options, arguments, ca, driver="ring"):
    """One run of mocra-bench fetch: what it printed, and its CPU time in µs."""
    environment = dict(os.environ)
    environment.pop("MOCRA_RING_DISABLE", None)
    if driver == "epoll":
        environment["MOCRA_RING_DISABLE"] = "all"
    command = [options.mocra_bench, "fetch", *arguments, "--ca-file", ca, "--json"]
    output, cpu_us = timed(options.client_core, command, environment)
    try:
        return json.loads(output), cpu_us
    except ValueError as error:
        raise Failure(f"mocra-bench printed what was not expected ({error!r}):\n{output}") from error


def run_mocra(options, row, url, ca, mode, driver):
    # Without a warm-up every request that the process's CPU time pays for is counted, as it is elsewhere.
    arguments = [
        "--url", url, "--connections", str(row.connections), "--streams", str(row.streams),
        "--warmup", "0", "--seconds", str(options.seconds), "--mode", mode,
        "--http2" if row.kind == "http2" else "--http1",
    ]
    result, cpu_us = bench(options, arguments + (["--gzip"] if row.gzip else []), ca, driver)
    if result["driver"] != DRIVERS[driver]:
        raise Failure(f"mocra-bench was to run on {driver} and ran on {result['driver']}")
    return measured(
        result["requests"], result["errors"], result["seconds"], cpu_us,
        allocations=result["allocations_per_request"])
