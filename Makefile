# Tasks of the house. Each sets up what it needs in .venv, in this folder and nowhere else.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
PDL := $(BIN)/pdl
PYTEST := $(BIN)/python -m pytest
SOURCES := ledger projections consumers tests

.PHONY: help demo test check format lint types arrows docs golden bench soak clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

.venv/runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.x ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv (pinned, with hashes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt .venv/runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv/postgres: requirements/postgres.txt .venv/runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/postgres.txt
	@touch $@

## make demo          a year of five organisations, judged, and one person erased; KAFKA=1 sends it through a real broker,
##                    POSTGRES=1 keeps it in a real PostgreSQL
demo: $(if $(POSTGRES),.venv/postgres,.venv/runtime)
	@$(PDL) demo --fresh $(if $(KAFKA),--kafka) $(if $(POSTGRES),--postgres)

## make test          every test; starts a real Kafka from Maven's jars (or PDL_TEST_KAFKA); CI=true makes it a must
test: .venv/dev
	$(PYTEST) -q

## make check         format, lint, types, arrows: what CI asks before the tests
check: lint types arrows

## make format        write the format
format: .venv/dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix --quiet $(SOURCES)

lint: .venv/dev
	$(BIN)/ruff format --check --quiet $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/yamllint -s docker-compose.yml

types: .venv/dev
	$(BIN)/mypy

arrows: .venv/dev
	$(BIN)/lint-imports --no-cache

## make golden        write the golden files anew, then show what changed
golden: .venv/dev
	PDL_GOLDEN=write $(PYTEST) -q tests/golden
	git diff --stat tests/golden

## make docs          write the reference that is generated from the code
docs: .venv/dev
	PDL_GOLDEN=write $(PYTEST) -q tests/docs
	git diff --stat docs

## make bench         the write path and the registers against raw limits, in one run
bench: .venv/dev
	$(BIN)/python -m tests.benchmarks

## make soak          the long forms of the tests
soak: .venv/dev
	PDL_SOAK=1 $(PYTEST) -q -m slow

clean:
	rm -rf .venv .cache build dist *.egg-info pdl-demo
