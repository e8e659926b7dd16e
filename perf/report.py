"""What a comparison found: lines while it runs, then JSON, a table in Markdown and a plot."""

import json
import os
import sys


def print_header():
    print(
        f"{'row':<13} {'tool':<19} {'req/s':>9} {'CPU µs':>8}  {'ratio (range)':<17} {'target':>7}"
        f" {'allocs':>7} {'errors':>6}", flush=True)


def print_row(result):
    allocations = result["allocations_per_request"]
    target = result["target"]
    print(
        f"{result['row']:<13} {result['tool']:<19} {result['requests_per_second']:>9.0f}"
        f" {result['cpu_us_per_request']:>8.2f}  {spread(result):<17}"
        f" {'' if target is None else f'{target:.2f}':>7}"
        f" {'' if allocations is None else f'{allocations:.2f}':>7} {result['errors']:>6}  {verdict(result)}",
        flush=True)


def print_held(result):
    print(
        f"{result['row']:<13} {result['title']}: {held(result)}, {result['errors']} failed "
        f" {verdict(result)}", flush=True)


def spread(result):
    return f"{result['ratio']:.2f} ({result['ratio_low']:.2f}–{result['ratio_high']:.2f})"


def held(result):
    if "bytes_per_connection" in result:
        return f"{result['bytes_per_connection'] / 1024:.1f} KiB each (target {result['target'] / 1024:.0f})"
    return f"{result['requests']:,} requests, p99 {result['p99_ms']:.0f} ms"


def verdict(result):
    if result["errors"]:
        return "failed requests"
    if result.get("target") is None:
        return ""
    if "bytes_per_connection" in result:
        return "met" if result["bytes_per_connection"] <= result["target"] else "missed"
    return "met" if result.get("ratio", 0) <= result["target"] else "missed"


def markdown(run, plot):
    machine = run["machine"]
    lines = [
        f"# mocra-bench fetch beside its peers, {machine['date']}", "",
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; {machine['nginx']};"
        f" {machine['wrk']}; {machine['h2load']}; {machine['curl']}; {machine['openssl']};"
        f" commit {machine['commit']}. {run['rounds']} rounds in turn of {run['seconds_a_turn']} s; medians,"
        " and behind a ratio the lowest and highest of a round. How it is measured:"
        " [perf/README.md](../README.md).",
        "",
    ]
    if machine["load_before"] > 0.5:
        lines += [
            f"**The machine was busy before the run (load {machine['load_before']:.1f}): these figures are"
            " noise.**", ""]
    lines += [
        "| row | client | requests/s | CPU µs a request | ratio | target | | allocations a request |",
        "|---|---|---:|---:|---|---:|---|---:|",
    ]
    for result in run["results"]:
        if "ratio" not in result:
            continue
        is_peer = result["mode"] is None
        ratio = "" if is_peer else f"{spread(result)} × {result['peer']}"
        target = "" if result["target"] is None else f"≤ {result['target']:.2f}"
        allocations = result["allocations_per_request"]
        lines.append(
            f"| {result['title']} | {result['tool']} | {result['requests_per_second']:,.0f} |"
            f" {result['cpu_us_per_request']:.2f} | {ratio} | {target} | {verdict(result)} |"
            f" {'' if allocations is None else f'{allocations:.2f}'} |")
    if any("ratio" not in result for result in run["results"]):
        lines += ["", "| connections held | | | |", "|---|---|---|---|"]
    for result in run["results"]:
        if "ratio" not in result:
            lines.append(
                f"| {result['title']} | {held(result)} | {result['errors']} failed | {verdict(result)} |")
    lines += allocation_lines(run)
    if plot:
        lines += ["", f"![CPU time a request as a part of the peer's, with the targets]({plot})"]
    return "\n".join(lines) + "\n"


def allocation_lines(run):
    """A line on heap allocations, from the row over plain HTTP: over TLS OpenSSL's own are counted too."""
    counted = [
        result for result in run["results"]
        if result["row"] == "http-1k" and result["allocations_per_request"] is not None]
    if not counted:
        return []
    is_met = all(result["allocations_per_request"] <= run["allocations_target"] for result in counted)
    figures = ", ".join(f"{result['tool']} {result['allocations_per_request']:.2f}" for result in counted)
    return [
        "", f"Heap allocations a request over plain HTTP (target ≤ {run['allocations_target']}): {figures};"
        f" {'met' if is_met else 'missed'}."]


def draw(run, path):
    """Ratios with their spread as bars, targets as marks. False where there is no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print(
            "no plot: matplotlib is missing (Debian's python3-matplotlib, or pip install matplotlib in a venv"
            " whose python3 is first in PATH)", file=sys.stderr)
        return False
    matplotlib.use("svg")
    # Text as text, and the same file for the same figures.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "mocra", "font.size": 9})
    from matplotlib import pyplot

    bars = [result for result in run["results"] if result.get("mode")]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.38 * len(bars)), layout="constrained")
    for place, result in enumerate(bars):
        ratio, target = result["ratio"], result["target"]
        color = "#9aa5b1" if target is None else "#3a7d44" if ratio <= target else "#b3392f"
        axes.barh(place, ratio, color=color, height=0.62)
        axes.plot([result["ratio_low"], result["ratio_high"]], [place, place], color="black", linewidth=1)
        if target is not None:
            axes.plot([target, target], [place - 0.4, place + 0.4], color="black", linewidth=2.5)
        end = max(ratio, result["ratio_high"], target or 0)
        axes.text(end + 0.015, place, f"{ratio:.2f} × {result['peer']}", va="center")
    axes.set_yticks(
        range(len(bars)), [f"{result['title']}\n{result['tool']}" for result in bars], fontsize=7.5)
    axes.invert_yaxis()
    axes.axvline(1, color="#555555", linewidth=0.8, linestyle=":")
    axes.set_xlim(0, max([1.2] + [result["ratio_high"] for result in bars]) * 1.15)
    axes.set_xlabel(
        "CPU time a request ÷ the peer's: median, range of the rounds; thick mark: target; grey: none")
    machine = run["machine"]
    axes.set_title(
        f"mocra-bench fetch, {machine['date']}, {machine['cpu']}, Linux {machine['kernel']}", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    return True


def write_all(run, name):
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
    with open(f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(run, file, indent=1, ensure_ascii=False)
        file.write("\n")
    has_plot = any(result.get("mode") for result in run["results"]) and draw(run, f"{name}.svg")
    plot = f"{os.path.basename(name)}.svg" if has_plot else None
    with open(f"{name}.md", "w", encoding="utf-8") as file:
        file.write(markdown(run, plot))
    written = [f"{name}.json", f"{name}.md"] + ([f"{name}.svg"] if plot else [])
    print(f"written: {' '.join(written)}")
