# Nothing but Python 3.11 or newer and make has to be there. `make` alone lists the targets.
#
# Variables pass on as they are: PORT, DATABASE_URL, IMAGE_BACKBONE, PIP_INDEX_URL ... (docs/settings.md has the table).

PYTHON ?= python3
VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
PIP_INSTALL := $(VENV_PYTHON) -m pip install --disable-pip-version-check
RUN_STAMP := $(VENV)/.requirements
DEVELOPMENT_STAMP := $(VENV)/.requirements-dev

DEMO_OPTIONS = $(if $(DATA),--data "$(DATA)") $(if $(filter-out 0 no false,$(SIMULATE)),--simulate)

.DEFAULT_GOAL := help
.PHONY: help install run test torture lint format licences audit clean environment

help: ## List the targets.
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 10

install: $(DEVELOPMENT_STAMP) ## Make .venv with PYTHON and install the pinned requirements.

run: $(RUN_STAMP) ## Set up the demo and serve it; DATA=DIR for your adverts, PORT=8001 for another port.
	@exec $(VENV_PYTHON) manage.py demo $(DEMO_OPTIONS)

# Each of WORKERS has its own servers. One native thread each, and the same names of tests in all. Bytecode is kept,
# whatever the environment says: tests start a hundred processes.
WORKERS ?= 2
test: $(DEVELOPMENT_STAMP) ## Run the whole suite on servers of its own; ARGS="-k feed" for a part.
	@PYTHONDONTWRITEBYTECODE= PYTHONHASHSEED=0 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE \
	  exec $(VENV_PYTHON) -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

torture: $(DEVELOPMENT_STAMP) ## Kill processes and stop Redis under load; MINUTES=5, SEED=6 for the same blows again.
	@exec env TORTURE_MINUTES=$(or $(MINUTES),5) TORTURE_SEED=$(or $(SEED),6) \
		$(VENV_PYTHON) -m pytest -s tests/faults/test_storm.py

lint: $(DEVELOPMENT_STAMP) ## Check style, format and types.
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

format: $(DEVELOPMENT_STAMP) ## Format the code and mend what ruff can.
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

licences: $(DEVELOPMENT_STAMP) ## Write docs/licences.md anew, after a change of the pins.
	$(VENV_PYTHON) -m marketplace.licences > docs/licences.md

# Needs the network: it asks for what is known against every installed package. Its own packages stay apart.
audit: $(DEVELOPMENT_STAMP) ## Look for known vulnerabilities in what is installed, by pip-audit.
	@$(VENV_PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	$(VENV)/audit/bin/pip-audit --path $(VENV)/lib/python3*/site-packages

clean: ## Remove .venv and caches. Data, under var/, stay.
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): requirements.txt | environment
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT_STAMP): requirements-dev.txt $(RUN_STAMP) | environment
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

# Made when missing or broken, and never replaced behind the user's back.
environment:
	@if ! $(VENV_PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { \
	    echo "PYTHON: found $(PYTHON) ($$($(PYTHON) --version 2>&1 | head -1));" \
	      "accepted: Python 3.11 or newer with its venv module (Debian: python3-venv)." >&2; exit 2; }; \
	  echo "Making $(VENV) with $$($(PYTHON) --version)"; \
	  $(PYTHON) -m venv --clear $(VENV); \
	elif [ "$(origin PYTHON)" != file ] && \
	    [ "$$($(PYTHON) --version 2>&1)" != "$$($(VENV_PYTHON) --version)" ]; then \
	  echo "PYTHON: found $$($(PYTHON) --version 2>&1 | head -1), but $(VENV) has" \
	    "$$($(VENV_PYTHON) --version): \`make clean\` removes it." >&2; exit 2; \
	fi
