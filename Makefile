# Every command of the project. `make` alone prints them.
PYTHON ?= python3
VENV := .venv
TOOLS := .venv-aws
AUDIT := .venv-audit
BIN := $(VENV)/bin
LAKE ?= lake
ROWS ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help demo test check lint dev tools aws faults hostile guards bench audit sbom lock clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/runtime ## set up, then run all five pipelines on sample data in ./lake
	@LAKE=$(LAKE) ROWS=$(ROWS) bash docs/demo.sh

test: $(VENV)/dev ## set up, then run the tests
	$(BIN)/python -m pytest -q

check: lint test ## everything that CI runs: format, lint, types, tests

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lakelet check

dev: $(VENV)/dev ## set up what developing and `lakelet local` need

tools: $(TOOLS)/ready ## set up the SAM CLI and checkov, in an environment of their own

aws: $(VENV)/dev $(TOOLS)/ready ## prove the image and the stack: template, containers, emulator, state machines
	$(BIN)/python -m pytest -q tests/aws

faults: $(VENV)/dev ## try everything that could lose or double a row; write docs/reliability.md
	LAKELET_FAULTS=long $(BIN)/python -m pytest -q tests/faults

hostile: $(VENV)/dev ## load all the odd files of LAKELET_CORPORA; write docs/hostile-input.md
	LAKELET_FAULTS=long $(BIN)/python -m pytest -q tests/hostile

guards: $(VENV)/dev ## take each guard out of a copy of the code and see a test go red; write docs/reliability.md
	$(BIN)/python -m tests.guards

bench: $(VENV)/dev ## measure everything, beside the rivals that are installed; write docs/benchmarks.md (an hour or more)
	$(BIN)/python -m benchmarks --write

audit: $(AUDIT)/ready ## ask whether a package of the locks has a known vulnerability
	$(AUDIT)/bin/python infra/inventory.py audit

sbom: $(AUDIT)/ready ## list what the image installs: build/sbom.json and docs/licences.md
	$(AUDIT)/bin/python infra/inventory.py sbom

lock: ## write the lock files again (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url -q -o requirements.lock pyproject.toml
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url -q --extra dev -o requirements-dev.lock pyproject.toml
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url -q -o infra/requirements-tools.lock infra/requirements-tools.in
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url -q -o infra/requirements-audit.lock infra/requirements-audit.in

clean: ## remove the environment and the demo's lake
	rm -rf $(VENV) $(TOOLS) $(AUDIT) $(LAKE)

$(VENV)/runtime: requirements.lock Makefile
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "Lakelet needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 has no venv here: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "installing what Lakelet runs on"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(WRITE_COMMAND)
	@touch $@

$(VENV)/dev: $(VENV)/runtime requirements-dev.lock
	@echo "installing what its tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(TOOLS)/ready: infra/requirements-tools.lock
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	@echo "installing the SAM CLI and checkov"
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r infra/requirements-tools.lock
	@touch $@

$(AUDIT)/ready: infra/requirements-audit.lock
	@test -x $(AUDIT)/bin/python || $(PYTHON) -m venv $(AUDIT)
	@echo "installing pip-audit and cyclonedx"
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r infra/requirements-audit.lock
	@touch $@

# The command, straight from the checkout: nothing is built, edits count at once.
define WRITE_COMMAND
printf '#!%s\nimport sys\n\nsys.path.insert(0, "%s")\n\nfrom handlers.cli import main\n\nmain()\n' "$(CURDIR)/$(BIN)/python" "$(CURDIR)" > $(BIN)/lakelet && chmod +x $(BIN)/lakelet
endef
