.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# The first Python of a supported version; choose your own with `make PYTHON=/path/to/python3.12 …`.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo "$$name" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# The stamp: older than pyproject.toml means "install again".
INSTALLED := $(VENV)/.installed
# What `make format`, `lint` and `types` look at.
CODE := hieramp_lit tests

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED) ## Make .venv with the package and its development tools

.PHONY: venv
venv: install

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none found. Say make PYTHON=/path/to/python" >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(INSTALLED) ## Run the main path on handwritten digits: tune, generate, students, table (ARGS=… for options)
	$(BIN)/python -m hieramp_lit demo $(ARGS)

.PHONY: assets
assets: $(INSTALLED) ## Train the shipped tokenizer, VAR and teacher of the digits again (about half an hour)
	$(BIN)/python -m hieramp_lit.assets.recipe

.PHONY: browser
browser: ## Find a Chromium for the tests of the report's page; as root on Debian, install one
	@find_it() { command -v chromium || command -v chromium-browser || command -v google-chrome || \
		command -v google-chrome-stable; }; \
	find_it >/dev/null && exit 0; \
	if command -v apt-get >/dev/null && test "$$(id -u)" = 0; then \
		echo "No Chromium found: apt-get install chromium"; log="$$(mktemp)"; export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get -q update && apt-get -q -y install --no-install-recommends chromium fonts-dejavu-core; } \
			>"$$log" 2>&1 || tail -n 20 "$$log" >&2; rm -f "$$log"; \
	fi; \
	find_it >/dev/null || { echo "The report's page is tested in a real browser, and there is none. Install Chromium" \
		"(Debian: apt-get install chromium), or run make test-fast, which does without." >&2; exit 1; }

.PHONY: test
test: lint types browser ## Everything that must pass: lint, types, all tests (what continuous integration runs)
	$(BIN)/python -m pytest -q -n 2

.PHONY: test-fast
test-fast: $(INSTALLED) ## The tests without the slow ones
	$(BIN)/python -m pytest -q -n 2 -m 'not slow'

.PHONY: configs
configs: $(INSTALLED) ## Parse every configuration file
	$(BIN)/python -m pytest -q tests/configs/test_parse.py -k parses

.PHONY: format
format: $(INSTALLED) ## Format the code and sort imports
	$(BIN)/ruff check --quiet --fix $(CODE) || true
	$(BIN)/ruff format $(CODE)

.PHONY: lint
lint: $(INSTALLED) ## Check style and formatting
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

.PHONY: types
types: $(INSTALLED) ## Check types
	$(BIN)/mypy

.PHONY: check
check: lint types configs test-fast ## Quick look before a commit: lint, types, configurations, fast tests

.PHONY: clean
clean: ## Remove the environment, caches and the demo's results
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
