# The project's menu. Everything runs in .venv, which `make` sets up from setup.cfg and constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two processes: most tests keep one core busy, and each process takes up to 3 GB.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile
READY := $(VENV)/.ready

.PHONY: help demo test test-gate test-compile test-all lint format test-arm wheels docs release-check fuzz bench clean

help: ## This list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "cen_keras needs Python 3.11 or newer; name one with PYTHON=..., found `$(PYTHON) --version`." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,export,pretrained,dev,docs]"
	@touch $@

demo: $(READY) ## Train a small CEN on rooms, freeze, export, verify, bench: runs/demo/report.html.
	$(BIN)/python -m deploy walkthrough --out runs/demo

test: $(READY) ## The tests.
	$(PYTEST) -m "not slow and not gate and not arm"

test-gate: $(READY) ## Longer tests, which .ci/run runs too: whole trainings, other backends, deep networks.
	$(PYTEST) -m gate --ignore tests/deploy/tensorrt

test-compile: $(READY) ## Each kind of ONNX artifact through NVIDIA's compiler (needs the extra tensorrt-rtx).
	$(PYTEST) --dist load -m gate tests/deploy/tensorrt

test-all: $(READY) ## The tests, the slow ones too.
	$(PYTEST) -m "not arm"

test-arm: $(READY) ## The board's part on an emulated ARM processor (needs qemu-user-static; fetches once).
	$(BIN)/python tests/arm/prepare.py
	CEN_KERAS_TEST_PARTS=arm $(BIN)/python -m pytest -q -n 2 --dist loadgroup -m arm tests/arm

wheels: $(READY) ## Build the wheel of the whole and that of a board's part: dist/*.whl.
	$(BIN)/python -m build --quiet --wheel --outdir dist .
	$(BIN)/python packaging/runtime_wheel.py dist

docs: $(READY) ## The documentation's site: build/site/index.html.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

release-check: $(READY) ## Build the wheel and check what is in it.
	$(BIN)/python packaging/release_check.py

fuzz: $(READY) ## 2,000 inputs drawn at random: readers, manifests, recipes, sources; export and verify.
	$(BIN)/python -m pytest -q -m slow tests/test_fuzz.py

bench: $(READY) ## Measure the edge figures again: runs/bench/*.json.
	$(BIN)/python -m deploy benchmarks --out runs/bench

lint: $(READY) ## Check style, formatting and the types of deploy/tensorrt.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy -p deploy.tensorrt

format: $(READY) ## Apply formatting.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and build products; runs/ stays.
	rm -rf $(VENV) build dist *.egg-info
