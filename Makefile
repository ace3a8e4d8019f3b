# make run    sets everything up and assesses the example vehicles
# make test   sets everything up, checks style, types and layers, and runs the fast tests
# make test-slow   runs the long tests (a million vehicles on every engine, mutants, other Pythons' wheels)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.runtime
DEV_STAMP := $(VENV)/.development
JOBS ?= 2

.PHONY: run test test-slow setup lint clean lock

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cleanfleet needs Python 3.11 or newer; run make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

setup: $(RUN_STAMP)

run: $(RUN_STAMP)
	mkdir -p out
	$(BIN)/cleanfleet assess examples/vehicles.csv --policy nz-clean-vehicle-standard --out out/vehicles.xlsx --chart out/vehicles.svg

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(DEV_STAMP) lint
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" -rs

test-slow: $(DEV_STAMP)
	$(BIN)/python -m pytest -n $(JOBS) -m slow -rs --durations=40

# Pin every dependency with its hashes again (needs pip-tools).
lock:
	$(PYTHON) -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra all --output-file requirements.txt pyproject.toml requirements-build.in
	$(PYTHON) -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements-dev.txt requirements-dev.in

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
