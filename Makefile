# setup   build .venv from the pinned versions (again only when they change)
# demo    a made museum, from its gaps to one prediction's provenance
# test    all tests; tests that need a server or data that is not there say so and are skipped
# lint    ruff and mypy
# bench   every benchmark at a small size; what it measures in earnest: python benchmarks/NAME.py --help
# docs    write docs/reference.md anew from the code, and the site to build/site
# clean   remove what the above made, .venv included

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup servers demo test lint bench docs clean

PYTHON ?= python3
# Compiled modules are kept whatever the surroundings say: a process that compiles its libraries anew takes seconds to start.
export PYTHONDONTWRITEBYTECODE =
BIN := .venv/bin
STAMP := .venv/.installed
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
# torch for the processor, from PyTorch's own index where that is reached; otherwise whichever the package index has.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH = $(if $(PIP_FIND_LINKS),,$(shell curl -sfI -m 5 $(TORCH_INDEX)/torch/ >/dev/null 2>&1 && echo --torch-backend cpu))
FIND_LINKS := $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))
DEMO ?= demo-museum
# Processes of tests. More than two cores: tests of workers and pages wait for half of their time.
JOBS ?= 3

help:
	@sed -n 's/^# \([a-z]* *\)  /make \1  /p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(UV) >/dev/null || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv; }
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt $(FIND_LINKS) $(TORCH) --editable '.[dev]'
	@touch $@
	@echo "ready: $(BIN)/enrich --help"

# The servers that the tests start for themselves, promtool and a browser, where they can be installed; otherwise their tests are skipped.
servers:
	@command -v virtuoso-t >/dev/null || wanted=virtuoso-opensource; \
	command -v promtool >/dev/null || wanted="$$wanted prometheus"; \
	command -v chromium-headless-shell >/dev/null || wanted="$$wanted chromium-headless-shell fonts-liberation"; \
	if [ -n "$$wanted" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get update -qq && apt-get install -qq -y --no-install-recommends $$wanted >/dev/null; } \
	  || echo "$$wanted could not be installed: the tests that need it will be skipped"; \
	fi

demo: $(STAMP)
	$(BIN)/enrich demo $(DEMO)

# As many processes as cores: more threads would only wait for one another. tests/conftest.py puts the files in order.
test: $(STAMP) servers
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(STAMP)
	$(BIN)/python -m enrich.cli.reference docs/reference.md
	$(BIN)/zensical build --strict --clean

clean:
	rm -rf .venv .uv $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
