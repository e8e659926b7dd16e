# shellcheck shell=bash
# What the scripts share: strict mode, the project's root, messages, steps with their durations, test runs.
# Sourced, never run. It must not start anything by itself.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
logs="$root/.build/logs"

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Each step's name, seconds and result, for step_summary; and what the failed ones said last.
step_lines=()
step_failures=()
step_failed=0
# The exit code of the last step.
step_code=0

# step NAME COMMAND…: a header, the command, its duration. A failing step does not stop those that follow.
step() {
    local name=$1 start result=ok output
    shift
    start=$SECONDS
    mkdir -p "$logs"
    output=$(mktemp "$logs/step.XXXXXX")
    printf '\n== %s\n' "$name"
    # The command runs in a shell of its own, so that `set -e` holds inside it (an `if` would switch it off).
    set +e
    (
        set -e
        "$@"
    ) 2>&1 | tee "$output"
    step_code=${PIPESTATUS[0]}
    set -e
    if [ "$step_code" -ne 0 ]; then
        result=FAILED
        step_failed=1
        step_failures+=("$(printf '== why "%s" failed\n' "$name" && tail -n 12 "$output")")
    fi
    rm -f "$output"
    local line
    line=$(printf '%-7s %5d s  %s' "$result" "$((SECONDS - start))" "$name")
    step_lines+=("$line")
    printf -- '-- %s: %s, %d s\n' "$name" "$result" "$((SECONDS - start))"
}

# Prints all steps, then once more why some failed, and ends the script: 0 when each went well. The reasons
# come last, because the end of a long output is what is read first.
step_summary() {
    printf '\n== summary (%d s)\n' "$SECONDS"
    printf '%s\n' "${step_lines[@]}"
    [ "${#step_failures[@]}" -eq 0 ] || printf '\n%s\n' "${step_failures[@]}"
    exit "$step_failed"
}

# The folder of the toolchain that `swift` runs: its clang, llvm-symbolizer and sanitizer libraries are there.
toolchain_bin() {
    local resources
    resources=$(swift -print-target-info | sed -n 's/^ *"runtimeResourcePath": "\(.*\)",*$/\1/p')
    [ -x "$resources/../../bin/clang" ] || fail "no clang beside Swift's own libraries ($resources)"
    (cd "$resources/../../bin" && pwd)
}

# quiet NAME COMMAND…: output to .build/logs/NAME.log; shown when the command fails.
quiet() {
    local log="$logs/$1.log"
    shift
    mkdir -p "$logs"
    if ! "$@" >"$log" 2>&1; then
        # Without the lines that only tell how far it came.
        grep -v -E '^\[[0-9]+/[0-9]+\] ' "$log" | tail -n 60
        fail "$* (the whole output: $log)"
    fi
}

# How many tests run at once; unset: all that may. Instrumented ones are slow, and their time-outs are not.
test_width=

# run_tests NAME TARGETS OPTIONS…: the tests of the given targets (separated by spaces) from what is built
# already. Fails when a test fails, and when there is none: a filter that finds nothing is no success.
run_tests() {
    local name=$1 targets=$2 log="$logs/$1.log" code=0
    shift 2
    mkdir -p "$logs"
    local -a width=()
    [ -z "$test_width" ] || width=(--experimental-maximum-parallelization-width "$test_width")
    swift test --skip-build --disable-xctest "${width[@]}" \
        --filter "^(${targets// /|})\\." "$@" >"$log" 2>&1 || code=$?
    if [ "$code" -ne 0 ]; then
        # What passed or only started is noise here; the rest is the failure, or a sanitizer's report.
        grep -a -v -e ' passed after [0-9.]* seconds' -e ' started\.$' -e '^. Test case ' "$log" || cat "$log"
        # The failed expectations in one place, at the end.
        say "-- what failed:"
        grep -a -A 2 -e ' recorded an issue ' -e '^SUMMARY: ' "$log" | grep -a -v '^[✔◇]' | head -n 10 || true
        fail "tests failed with exit code $code (the whole output: $log)"
    fi
    grep -a -E ' skipped(:|[.])' "$log" || say "(nothing skipped)"
    grep -a -E 'Test run with [1-9][0-9]* tests? in .* passed' "$log" \
        || fail "no test ran in $targets (the whole output: $log)"
}

# The fetch loop's fallbacks, each a value of MOCRA_RING_DISABLE; "all" is the epoll driver.
fallbacks="all multishot buffer_ring defer_taskrun"

# run_fallbacks NAME TARGETS OPTIONS…: as run_tests, once for each fallback.
run_fallbacks() {
    local name=$1 fallback
    shift
    for fallback in $fallbacks; do
        say "MOCRA_RING_DISABLE=$fallback"
        MOCRA_RING_DISABLE=$fallback run_tests "$name-$fallback" "$@"
    done
}
