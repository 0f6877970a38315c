# Everything that a person or a machine does with this checkout. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
# cpu or gpu: which build of ONNX Runtime is installed. Both provide the same module, so there is only ever one.
ifndef ACCEL
ACCEL := $(shell if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU; then echo gpu; else echo cpu; fi)
endif
DEMO_DIR ?= miqa-data/demo
PYTEST_ARGS ?=
DATA ?= ../shared/data
DIST ?= dist

BIN := $(VENV)/bin
# At a terminal pip shows what it does; in a log a line each ten seconds is enough.
PIP := $(BIN)/python $(if $(MAKE_TERMOUT),-m,.ci/install.py) pip --disable-pip-version-check --no-input
# Python compiles what is used when it is used: a third less to compute, and 50 MB less on the disk.
INSTALL := $(PIP) install --no-compile --constraint constraints.txt
INPUTS := $(wildcard pyproject.toml packages/*/pyproject.toml) constraints.txt
RUN_READY := $(VENV)/.ready-$(ACCEL)
READY := $(RUN_READY)-dev
TRAIN_READY := $(RUN_READY)-train
FUZZ_READY := $(RUN_READY)-fuzz

ifeq ($(filter $(ACCEL),cpu gpu),)
$(error ACCEL is "$(ACCEL)"; it must be cpu or gpu)
endif

# Containers and build machines often forbid Python to keep what it compiles. Each process that a test starts would then
# compile the whole program again: that doubles the time of the tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-run setup-train setup-fuzz run demo site reproduce viewer test test-all lint format types layers peers translations release-check docs pictures docs-serve bench fuzz crash faults matrix long soak night container models constraints lock dist sbom audit clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Install ---------------------------------------------------------------------------------------------------------

setup: $(READY) ## Make .venv with everything for running and testing (ACCEL=cpu|gpu, PYTHON=python3)

setup-run: $(RUN_READY) ## Only what the node and its demonstration need

setup-train: $(TRAIN_READY) ## Everything, and torch and scikit-learn, for training and its tests

setup-fuzz: $(FUZZ_READY) ## Everything, and atheris, for inputs guided by coverage

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "miqa-node needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1). Give another: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Making $(VENV)."
	@$(PYTHON) .ci/install.py venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu install the package python3-venv." >&2; exit 1; }

# The build tools come first and from the constraints too; an isolated build would fetch whatever is newest that day.
$(RUN_READY): $(BIN)/python $(INPUTS)
	@echo "Installing what the node needs into $(VENV), as constraints.txt pins it. The first time this takes a minute or two."
	@rm -f $(VENV)/.ready-*
	@$(INSTALL) pip hatchling
	@if [ "$(ACCEL)" = gpu ]; then other=onnxruntime; else other=onnxruntime-gpu; fi; \
		if $(BIN)/python -m pip show --quiet $$other 2>/dev/null; then $(PIP) uninstall --yes $$other; fi
	@$(INSTALL) --no-build-isolation --editable '.[$(ACCEL),series,text,demo]' \
		$(addprefix --editable packages/miqa-node-,hl7 phantoms selftest series training)
	@touch $@
	@echo "Installed."

# The rest is added to that, and changes nothing of it.
$(READY): $(RUN_READY)
	@echo "Adding what tests, checks and documentation need to $(VENV)."
	@$(INSTALL) --group dev --group docs
	@touch $@
	@echo "Added."

$(TRAIN_READY): $(READY)
	@echo "Adding torch and scikit-learn to $(VENV)."
	@$(INSTALL) --no-build-isolation --editable 'packages/miqa-node-training[train]'
	@touch $@

$(FUZZ_READY): $(READY)
	@echo "Adding atheris to $(VENV)."
	@$(INSTALL) --group fuzz
	@touch $@

## Use -------------------------------------------------------------------------------------------------------------

run: setup-run ## Start the node with sample radiographs and a receiving PACS until Ctrl-C (SITE=busy: a site after two months)
	@$(BIN)/python -m demo --data-dir $(DEMO_DIR) $(if $(SITE),--site $(SITE))

demo: setup-run ## Tell the same story once in a temporary folder; fails when any part of it failed
	@$(BIN)/python -m demo --once

site: setup-run ## Make a site after two months unless it is there, and print where it lies (minutes; SITE=small: 60 images)
	@$(BIN)/python -m demo.site --size $(or $(SITE),busy)

viewer: setup-run ## Open the demo's images and results in the OHIF viewer until Ctrl-C (needs npm, orthanc, orthanc-dicomweb)
	@$(BIN)/python -m demo.viewer --data-dir $(DEMO_DIR)

models: setup-run ## Check every model package against its card and its golden inputs
	$(BIN)/miqa-node models check

reproduce: setup-train ## Make the shipped packages again from public starts and compare their figures (hours; DATA=folder of the images)
	$(BIN)/miqa-node train reproduce --data $(DATA) $(REPRODUCE_ARGS)

bench: setup ## Measure latency, throughput, CT series, jobs and receiving; results go to benchmarks/results/
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.series
	$(BIN)/python -m benchmarks.jobs
	@if command -v storescp >/dev/null && command -v Orthanc >/dev/null && command -v cc >/dev/null; then $(BIN)/python -m benchmarks.receive; \
		else echo "benchmarks.receive needs dcmtk, orthanc and a C compiler beside the node; left out."; fi

## Check -----------------------------------------------------------------------------------------------------------

# Tests wait nearly half of their time, so that each core keeps two processes busy, which take 1 GB each.
TEST_PROCESSES := $(shell $(PYTHON) -c 'import os; print(min(2 * len(os.sched_getaffinity(0)), 16))' 2>/dev/null || echo auto)

# Tests sync thousands of small files: in memory, where there is room, that costs nothing.
TEST_FOLDER = $(shell $(PYTHON) -c 'import shutil; print("/dev/shm" * (shutil.disk_usage("/dev/shm").free > 8 << 30))' 2>/dev/null)
test test-all long peers faults matrix: export PYTEST_DEBUG_TEMPROOT = $(TEST_FOLDER)

# As in a node: helper threads of the BLAS spin, which on busy cores takes several times as long as the work.
test test-all long peers faults matrix: export OPENBLAS_NUM_THREADS = 1

# Else what a test needed for a moment stays with its process: a worker would grow to twice the size.
test test-all long peers: export MALLOC_ARENA_MAX = 2
test test-all long peers: export MALLOC_MMAP_THRESHOLD_ = 1048576

test: setup ## Run the quick suite, on all cores (3 minutes on two; slow ones take 6), or all tests of one feature (FEATURE=labels)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(if $(FEATURE),--feature $(FEATURE),--quick) $(PYTEST_ARGS)

test-all: setup ## Run every test, also whole tables and those with real peers and browsers (see .ci/run for the packages)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

peers: setup ## Run only the tests with real Orthanc, DCMTK, validators, PostgreSQL and Chromium
	$(BIN)/python -m pytest -m "peers or browser" $(PYTEST_ARGS)

lint: setup ## Check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: setup ## Mend what the style checks can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: setup ## Check types
	$(BIN)/mypy

layers: setup ## Check that each part imports only what stands below it (docs/adr/0002)
	$(BIN)/lint-imports

translations: setup ## Bring the catalogue of a language up to date (LANGUAGE=de; a new one is one file)
	$(BIN)/python -m tests.core.language.sources $(or $(LANGUAGE),de)

release-check: setup ## Check what may wait until a release: translations, made pages, REST paths, scanners
	MIQA_RELEASE=1 $(BIN)/python -m pytest -q --long $$(grep -rlE 'tests.release import|untranslated import' --include='test_*.py' tests)

docs: setup ## Build the documentation into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: setup ## Take the pictures of pages in the documentation anew (Chromium; a minute or two)
	$(BIN)/python -m tests.web.page_pictures

docs-serve: setup ## Serve the documentation while you write it
	$(BIN)/mkdocs serve

fuzz: setup-fuzz ## Send 60,000 damaged inputs to every entrance, and 20,000 guided by coverage (half an hour)
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

crash: setup ## Kill the node, its fork server and its children 280 times: SQLite, PostgreSQL, roles apart, in bursts (half an hour)
	$(BIN)/python -m tests.crash $(CRASH_ARGS)

faults: setup ## Break disk, database, bucket, archive, clock and memory: recovery times go to benchmarks/results/
	FAULTS=all $(BIN)/python -m pytest -p tests.crash.record tests/crash tests/node/test_one_verdict_everywhere.py -k "faults or one_verdict" $(PYTEST_ARGS)

matrix: setup ## Damage what a node keeps, ask each of its parts, and write the answers into docs/explanation/reliability.md
	MATRIX=write $(BIN)/python -m pytest tests/crash -k test_matrix $(PYTEST_ARGS)

long: setup-train ## Run the tests that take twenty seconds and more of a core and that the gate leaves out
	$(BIN)/python -m pytest --long -m long -n 4 --dist load $(PYTEST_ARGS)

soak: setup ## Fifty minutes of load on SQLite, PostgreSQL and three receivers at once: memory, threads, files and disk stay flat
	$(BIN)/python -m tests.crash --soak-minutes 50

night: setup-train setup-fuzz ## All tests with two Pythons, long ones, fuzz, soak, crash, faults: what the gate leaves out (four hours; PARTS=fuzz)
	$(BIN)/python -m tools.night $(PARTS)

container: setup ## Build the container on a base of its own and run it for real (root; Debian's buildah and debootstrap)
	CONTAINER=1 $(BIN)/python -m pytest tests/crash/test_container.py $(PYTEST_ARGS)

## Keep house ------------------------------------------------------------------------------------------------------

constraints: $(BIN)/python ## Resolve constraints.txt again from pyproject.toml
	$(BIN)/python .ci/pin.py

# The files that the container installs from: the versions of constraints.txt with the SHA-256 of each file on the index.
LOCK := $(BIN)/uv pip compile --quiet --constraint constraints.txt --generate-hashes --universal --python-version 3.11 \
	--no-annotate --custom-compile-command "make lock" --no-emit-index-url

lock: setup ## Write requirements/*.lock, with hashes, from constraints.txt (needs a package index)
	printf 'hatchling\npip\n' | $(LOCK) - --output-file requirements/build.lock
	$(LOCK) pyproject.toml --extra cpu --extra series --extra text --output-file requirements/cpu.lock
	$(LOCK) pyproject.toml --extra gpu --extra series --extra text --output-file requirements/gpu.lock

# KEY signs, TRIAL=1 goes without a night, BUNDLE=no without an index.
dist: setup ## Make a release in dist/: wheels, locks, list of parts, offline bundle, checksums (KEY=~/.ssh/id_ed25519, TRIAL=1)
	@$(BIN)/python -m tools.release $(DIST) $(if $(KEY),--key $(KEY)) $(if $(TRIAL),--trial) $(if $(filter no,$(BUNDLE)),--without-bundle)

sbom: setup ## Install what a container holds into a folder of its own, by hashes, and describe it as CycloneDX in dist/
	@rm -rf $(DIST)/.venv-sbom && $(PYTHON) -m venv $(DIST)/.venv-sbom && mkdir -p $(DIST)
	$(DIST)/.venv-sbom/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --only-binary :all: \
		--requirement requirements/build.lock --requirement requirements/$(ACCEL).lock
	$(DIST)/.venv-sbom/bin/python -m pip --disable-pip-version-check --no-input -qq install --no-deps --no-build-isolation . \
		./packages/miqa-node-phantoms ./packages/miqa-node-selftest ./packages/miqa-node-series
	$(BIN)/cyclonedx-py environment $(DIST)/.venv-sbom/bin/python --pyproject pyproject.toml --output-reproducible \
		--validate --output-file $(DIST)/miqa-node-$(ACCEL).cdx.json
	@rm -rf $(DIST)/.venv-sbom

audit: setup ## Ask the index for known vulnerabilities of what a container holds (needs a network)
	@$(BIN)/python .ci/audit.py requirements/$(ACCEL).lock

clean: ## Remove caches and build outputs
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find miqa_node packages demo tools tests benchmarks migrations -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the virtual environment and the demo's data as well
	rm -rf $(VENV) miqa-data/demo
