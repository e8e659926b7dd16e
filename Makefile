# The front door: each target is one script, so that all of them also work without make.
.PHONY: help run test build lint format sanitize fuzz bench clean

help:
	@echo 'make run [URL=…] [ARGS=…]   crawl the built-in demo site and check it; or crawl URL'
	@echo 'make test                   everything that CI runs: lint, tests, sanitizers, fuzz, integration'
	@echo 'make build                  release build of mocra and mocra-bench'
	@echo 'make lint                   formatters, shell and Python checks, repository rules'
	@echo 'make format                 applies the formatters'
	@echo 'make sanitize               tests under ASan + UBSan, and under TSan'
	@echo 'make fuzz [TIME=60]         fuzzes the parsers'
	@echo 'make bench [ROUNDS=3]       mocra-bench fetch beside wrk, h2load and libcurl on nginx'
	@echo 'make clean                  removes .build'

# URL reaches the script through the environment, so that no character in it means anything to a shell.
run: export URL := $(URL)
run:
	@scripts/bootstrap
	@scripts/run-demo $(ARGS)

test:
	@scripts/bootstrap --test
	@scripts/test

build:
	@scripts/bootstrap
	@scripts/build

lint:
	@scripts/bootstrap --test
	@scripts/lint

format:
	@scripts/bootstrap --test
	@scripts/lint --fix

sanitize:
	@scripts/bootstrap --test
	@scripts/sanitize

fuzz:
	@scripts/bootstrap --test
	@scripts/fuzz $(or $(TIME),60)

bench:
	@scripts/bootstrap --test
	@scripts/bench $(or $(ROUNDS),3)

clean:
	rm -rf .build
