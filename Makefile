# Everything a developer or CI does; `make help` lists it. Each target installs what it needs.
PYTHON ?= python3
# python3.13 of the path, or else of pyenv; empty if there is none.
PYTHON313 ?= $(firstword $(shell for python in python3.13 ~/.pyenv/versions/3.13*/bin/python3.13; do \
  $$python -c '' 2>/dev/null && echo $$python; done))
BIN := .venv/bin
BUF := .venv-proto/bin/buf
PROTOS := $(wildcard proto/layerwise_proto/*/*.proto)
SERVICES := $(shell grep -l '^service ' $(PROTOS))
PROTOC := ../.venv-proto/bin/python -m grpc_tools.protoc -I . \
  --plugin=protoc-gen-mypy=../.venv-proto/bin/protoc-gen-mypy \
  --plugin=protoc-gen-mypy_grpc=../.venv-proto/bin/protoc-gen-mypy_grpc

.PHONY: help python313 demo constraints serve test test-lowest test-313 coverage test-ways test-clients test-openapi test-faults test-parity soak triton-record lint check proto openapi compose-test clean
.PHONY: bench-train bench-train-check bench-tables bench-serving bench-defaults bench-quality bench-jobs bench-kills bench-mixed docs-figures
.DEFAULT_GOAL := check

# Exact versions, the same on every machine; `make constraints` renews them.
PIP := -m pip install --quiet --disable-pip-version-check
PINNED := $(PIP) --constraint constraints.txt

# The virtual environment, installed again only when a list of dependencies has changed: .run holds what runs the
# service, .dev adds the linters and the libraries that tests compare with.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Layerwise needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }

.venv/.run: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Layerwise into .venv …"
	@$(BIN)/python $(PINNED) --editable '.[service]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Layerwise and its development tools into .venv …"
	@$(BIN)/python $(PINNED) --editable '.[dev]'
	@touch .venv/.run $@

# The generators live apart: newer ones would force their run-time versions on every user of the SDK.
.venv-proto/.made: proto/requirements.txt
	@$(PYTHON) -m venv .venv-proto
	@.venv-proto/bin/python $(PIP) --requirement $<
	@touch $@

# PyTorch and the other peers are large, and only comparisons need them.
.venv-parity/.made: benchmarks/requirements.txt pyproject.toml constraints.txt
	@echo "Installing Layerwise and its peers into .venv-parity …"
	@$(PYTHON) -m venv .venv-parity
	@.venv-parity/bin/python $(PINNED) --editable '.[service]' --requirement $<
	@touch $@

# The clients of other servers; a service of .venv answers them.
.venv-clients/.made: tests/peers/requirements.txt
	@echo "Installing clients of other servers into .venv-clients …"
	@$(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python $(PIP) --requirement $<
	@touch $@

.venv-openapi/.made: tests/openapi/requirements.txt
	@echo "Installing schemathesis into .venv-openapi …"
	@$(PYTHON) -m venv .venv-openapi
	@.venv-openapi/bin/python $(PIP) --requirement $<
	@touch $@

# The lowest versions that pyproject.toml allows. NumPy's has no build for a Python above 3.12.
.venv-lowest/.made: pyproject.toml | .venv/bin/uv
	@echo "Installing Layerwise and the lowest versions that it allows into .venv-lowest …"
	@$(PYTHON) -m venv --clear .venv-lowest
	@$(BIN)/uv --system-certs pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	@touch $@

.venv-313/.made: pyproject.toml constraints.txt | .venv/bin/uv
	@test "$(PYTHON313)" || { echo "There is no python3.13 here. Try: make PYTHON313=/path/to/python3.13 test-313" >&2; exit 1; }
	@echo "Installing Layerwise and its development tools into .venv-313 …"
	@$(PYTHON313) -m venv --clear .venv-313
	@$(BIN)/uv --system-certs pip install --quiet --python .venv-313/bin/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

.venv/bin/uv: | .venv/bin/python
	@$(BIN)/python $(PIP) uv

# The newest versions that pyproject.toml allows; Python 3.11 is the oldest, and newer ones take the same.
constraints: .venv/bin/uv  ## constraints.txt, with the newest versions
	@$(BIN)/uv --system-certs pip compile --quiet --upgrade --extra dev --python-version 3.11 --python-platform linux --no-annotate \
	  --custom-compile-command 'make constraints' --output-file constraints.txt pyproject.toml

help:  ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*  ## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r target text; do \
	  printf '  %-18s %s\n' "$$target" "$$text"; done

demo: .venv/.run  ## the whole path in a few seconds: start, train, predict, stop
	@$(BIN)/python examples/demo.py

serve: .venv/.run  ## the service at its usual addresses, until Ctrl-C
	@$(BIN)/layerwise serve

TESTS ?=
# One process more than there are cores, at most five: many tests wait for a while.
PYTEST := pytest --numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 5 --dist loadfile
test: .venv/.dev .venv-proto/.made  ## the tests, five minutes on two cores; TESTS=tests/core for a part
	@$(BIN)/python -m $(PYTEST) $(TESTS)

test-lowest: .venv-lowest/.made  ## the tests on the lowest versions allowed; TESTS for a part
	@.venv-lowest/bin/python -m $(PYTEST) $(TESTS)

python313:
	@echo $(PYTHON313)

test-313: .venv-313/.made  ## the tests on Python 3.13; TESTS for a part
	@.venv-313/bin/python -m $(PYTEST) $(TESTS)

coverage: .venv/.dev .venv-proto/.made  ## lines and branches that no test runs; ten minutes and more
	@rm -rf .coverage && mkdir .coverage
	@-$(BIN)/coverage run -m pytest --numprocesses 2 --dist loadfile
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

# With PERF_ANALYZER=… the command, if it is not on the path.
test-clients: .venv/.dev .venv-clients/.made  ## the clients of Triton, MLflow and KServe, and perf_analyzer if there is one
	@$(BIN)/python -m pytest tests/peers

test-openapi: .venv/.dev .venv-openapi/.made  ## schemathesis, against the OpenAPI document; a minute or two
	@$(BIN)/python -m pytest --timeout 700 tests/openapi

test-ways: .venv/.dev  ## the same table by every way in: 27 files, three ways to train, twelve to predict; two minutes
	@$(BIN)/python -m $(PYTEST) tests/ways

test-faults: .venv/.dev  ## kills, full disks, floods, memory; some minutes
	@$(BIN)/python -m pytest tests/faults

# The memory of the serving processes under some thousand requests of 8 MB, from eight callers at once.
soak: .venv/.dev  ## an hour of mixed traffic, and the memory of the serving processes after many large requests
	@LAYERWISE_SOAK=170 LAYERWISE_SOAK_BYTES=8000000 $(BIN)/python -m pytest --timeout 7200 tests/faults/test_memory.py
	@LAYERWISE_SOAK_SECONDS=3600 $(BIN)/python -m pytest --timeout 7200 --log-cli-level INFO tests/soak

# TRITON serves what `python -m helpers.triton.served FOLDER` writes, started with --model-control-mode=explicit
# --load-model='*' --model-repository=FOLDER.
TRITON ?= http://127.0.0.1:8000
TRITON_RPC ?= 127.0.0.1:8001
triton-record: .venv/.dev  ## records the answers of the Triton at TRITON, TRITON_RPC and TRITON_METRICS, with which tests compare ours
	@PYTHONPATH=tests $(BIN)/python -m helpers.triton.record $(TRITON) $(TRITON_RPC) $(TRITON_METRICS)

format: .venv/.dev  ## formats the code, and mends what the linter can mend
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet

lint: .venv/.dev .venv-proto/.made  ## refuses what is not formatted, lint, import contracts, types
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --diff --quiet; exit 1; }
	@$(BIN)/ruff check --quiet
	@$(BIN)/lint-imports --no-logo >.venv/imports.log || { cat .venv/imports.log; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/pyright --warnings
	@$(BUF) lint proto

check: lint test  ## lint and test: before you send a change (the default)

test-parity: .venv-parity/.made  ## compares with PyTorch, which it installs
	@.venv-parity/bin/python -m pytest tests/parity

# On an otherwise idle machine; some minutes.
bench-train: .venv-parity/.made  ## training speed beside PyTorch and scikit-learn
	@for kernels in numpy numba; do LAYERWISE_KERNELS=$$kernels .venv-parity/bin/python -m benchmarks.train; done

bench-train-check: .venv-parity/.made  ## fails if training became slower; on an idle machine
	@for kernels in numpy numba; do \
	  LAYERWISE_KERNELS=$$kernels .venv-parity/bin/python -m benchmarks.train --check benchmarks/train.json || exit 1; done

bench-tables: .venv/.dev  ## the speed of tables; LAYERWISE_FLIGHTS is the folder of flights.csv, OLD a checkout to compare with
	@$(BIN)/python -m benchmarks.tables
	@$(BIN)/python -m benchmarks.table_files upload
	@$(BIN)/python -m benchmarks.table_files reading
	@if [ "$(OLD)" ]; then $(BIN)/python -m benchmarks.table_files train --old "$(OLD)"; fi

bench-serving: .venv/.dev  ## serving beside an empty Flask view, and beside peers that run, into docs/performance.md; needs wrk
	@$(BIN)/python -m benchmarks.serving benchmarks/serving.json --document docs/performance.md

# With MNIST=… the folder of its files, and POSTGRESQL=… the URL of an empty database.
bench-jobs: .venv/.dev  ## the queue, long lists, what a job costs beside fit(), watchers; ten minutes
	@$(BIN)/python -m benchmarks.jobs benchmarks/jobs.json $(if $(MNIST),--mnist $(MNIST)) $(if $(POSTGRESQL),--postgresql $(POSTGRESQL))

bench-kills: .venv/.dev  ## kills each part of a running service, 60 times; ten minutes
	@$(BIN)/python -m benchmarks.kills

bench-mixed: .venv/.dev  ## memory under ten minutes of everything at once
	@$(BIN)/python -m benchmarks.mixed_load

bench-defaults: .venv-parity/.made  ## default settings beside scikit-learn, into docs/training.md; half an hour
	@OPENBLAS_NUM_THREADS=1 .venv-parity/bin/python -m benchmarks.defaults benchmarks/defaults.json \
	  --document docs/training.md

bench-quality: .venv-parity/.made  ## public files as they come beside scikit-learn, into docs/tables.md; half an hour
	@OPENBLAS_NUM_THREADS=1 .venv-parity/bin/python -m benchmarks.quality benchmarks/quality.json \
	  --document docs/tables.md

# Needs a Docker engine and docker-compose, or docker with its plug-in compose.
compose-test: .venv/.dev  ## the containers; needs a Docker engine
	@$(BIN)/python -m pytest tests/compose

# Trains what docs/notes.md shows: its figures, numbers.json, and the tables in it. On one thread, so that the numbers
# are the same however many cores there are.
docs-figures: .venv/.dev  ## the figures and tables of docs/notes.md
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m examples.notes docs/figures --document docs/notes.md

# With OUT=… into another folder: a test compares the generated code with the committed one.
proto: OUT ?= .
proto: .venv-proto/.made  ## the code generated from the .proto files
	@cd proto && $(PROTOC) --python_out=$(OUT) --mypy_out=quiet:$(OUT) $(PROTOS:proto/%=%)
	@cd proto && $(PROTOC) --grpc_python_out=$(OUT) --mypy_grpc_out=quiet:$(OUT) $(SERVICES:proto/%=%)

openapi: .venv/.dev  ## docs/openapi.json, the document of the REST API
	@$(BIN)/python -c 'import json; from layerwise_service.rest.openapi import OPENAPI as found; \
	  print(json.dumps(found, indent=1, ensure_ascii=False))' >.venv/openapi.json
	@mv .venv/openapi.json docs/openapi.json

clean:  ## removes all that was installed and cached
	@rm -rf .venv .venv-proto .venv-parity .venv-clients .venv-openapi .venv-lowest .venv-313 dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
