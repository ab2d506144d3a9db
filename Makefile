# Needs make and Python 3.11 or newer, nothing else. `make` alone lists the targets.
#
# Environment variables reach every command: PORT, DATABASE_URL, IMAGE_BACKBONE, PIP_INDEX_URL ... (docs/settings.md
# lists them).

PYTHON ?= python3
VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
PIP_INSTALL := $(VENV_PYTHON) -m pip install --disable-pip-version-check
RUN_STAMP := $(VENV)/.requirements
DEVELOPMENT_STAMP := $(VENV)/.requirements-dev
BROWSER_STAMP := $(VENV)/.requirements-browser

DEMO_OPTIONS = $(if $(DATA),--data "$(DATA)") $(if $(filter-out 0 no false,$(SIMULATE)),--simulate)

.DEFAULT_GOAL := help
.PHONY: help install run test test-browser screenshots chromium coverage torture fuzz lint format licences audit clean environment

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14

install: $(DEVELOPMENT_STAMP) ## Create .venv with PYTHON and install the pinned requirements.

run: $(RUN_STAMP) ## Set up the demo and serve it. DATA=DIR imports your adverts, PORT=8001 changes the port.
	@exec $(VENV_PYTHON) manage.py demo $(DEMO_OPTIONS)

# Each of WORKERS starts its own PostgreSQL and Redis. One native thread each, so that they do not compete for cores.
# A fixed hash seed gives all workers the same test ids. Bytecode is always written: tests start a hundred processes.
WORKERS ?= 2
TEST_ENVIRONMENT = PYTHONDONTWRITEBYTECODE= PYTHONHASHSEED=0 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
PYTEST = -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(DEVELOPMENT_STAMP) ## Run the test suite on its own servers. ARGS="-k feed" runs a part.
	@$(TEST_ENVIRONMENT) exec $(VENV_PYTHON) $(PYTEST) $(ARGS)

# Not part of `make test`: needs Chromium. Pages are read, clicked, measured and checked by axe-core.
BROWSER ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
FIND_BROWSER = BROWSER="$(or $(BROWSER),$$(command -v chromium))"
test-browser: $(BROWSER_STAMP) chromium ## Run the tests of shop and admin in Chromium. ARGS="-k sell" runs a part.
	@$(FIND_BROWSER) $(TEST_ENVIRONMENT) exec $(VENV_PYTHON) -m pytest tests/browser $(ARGS)

SITE ?= http://127.0.0.1:$(or $(PORT),8000)
screenshots: $(BROWSER_STAMP) chromium ## Take pictures of a running demo (SITE=), also of the admin (STAFF=NAME:PASSWORD), into OUT=var/screenshots.
	@$(FIND_BROWSER) exec $(VENV_PYTHON) -m tests.browser.screenshots $(SITE) $(or $(OUT),var/screenshots)

chromium:
	@test -n "$(BROWSER)" || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; fi; \
	  command -v chromium >/dev/null || { \
	    echo "BROWSER: found no Chromium; accepted: chromium on PATH (Debian: apt-get install chromium)," \
	      "or BROWSER=/path/to/chrome." >&2; exit 2; }; }

# Processes that tests start are measured too (see pyproject.toml). A failing test does not hide the report.
coverage: $(DEVELOPMENT_STAMP) ## Measure line and branch coverage. Takes ARGS as `make test` does; HTML in htmlcov/.
	@$(VENV_PYTHON) -m coverage erase
	@$(TEST_ENVIRONMENT) $(VENV_PYTHON) -m coverage run $(PYTEST) $(ARGS); status=$$?; \
	  $(VENV_PYTHON) -m coverage combine --quiet && $(VENV_PYTHON) -m coverage html --quiet && \
	  $(VENV_PYTHON) -m coverage report && exit $$status

torture: $(DEVELOPMENT_STAMP) ## Kill processes and stop Redis under load. MINUTES=5; the same SEED=6 repeats a run.
	@exec env TORTURE_MINUTES=$(or $(MINUTES),5) TORTURE_SEED=$(or $(SEED),6) \
		$(VENV_PYTHON) -m pytest -s tests/faults/test_storm.py

# Each round has other examples. The seed of a round that failed repeats it: make fuzz SEED=7 MINUTES=0
fuzz: $(DEVELOPMENT_STAMP) ## Fuzz files, bodies and sequences of calls with new examples. MINUTES=10, SEED=1.
	@end=$$(( $$(date +%s) + 60 * $(or $(MINUTES),10) )); seed=$(or $(SEED),1); while :; do \
	  echo "Fuzzing with SEED=$$seed"; \
	  $(TEST_ENVIRONMENT) FUZZ_SEED=$$seed $(VENV_PYTHON) -m pytest -q -x --hypothesis-seed=$$seed \
	    $$(find tests -name 'test_fuzz*.py') || exit $$?; \
	  seed=$$(( seed + 1 )); test $$(date +%s) -lt $$end || break; \
	done

lint: $(DEVELOPMENT_STAMP) ## Check style, format, types, imports and unused code.
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV_PYTHON) -m vulture

format: $(DEVELOPMENT_STAMP) ## Format the code and apply ruff's fixes.
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

LICENCES_OF = $(VENV_PYTHON) -m piplicenses --format markdown --no-version --with-system \
	--packages $$(sed -n 's/^\([A-Za-z0-9][A-Za-z0-9._-]*\).*/\1/p' $(1))
licences: $(DEVELOPMENT_STAMP) ## Rewrite docs/licences.md after a change of the pinned requirements.
	@{ printf '# Licences of the dependencies\n\n'; \
	  printf '`make licences` writes this page, from what the pinned packages declare (`pip-licenses`).\n'; \
	  printf '\n## Needed to run: requirements.txt\n\n'; $(call LICENCES_OF,requirements.txt); \
	  printf '\n## Needed for tests and lint only: requirements-dev.txt\n\n'; \
	  $(call LICENCES_OF,requirements-dev.txt); } > docs/licences.md

# Needs the network, to look up every installed package. pip-audit has an environment of its own.
audit: $(DEVELOPMENT_STAMP) ## Check the installed packages for known vulnerabilities with pip-audit.
	@$(VENV_PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	$(VENV)/audit/bin/pip-audit --path $(VENV)/lib/python3*/site-packages

clean: ## Remove .venv and caches. Keeps the data under var/.
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): requirements.txt | environment
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT_STAMP): requirements-dev.txt $(RUN_STAMP) | environment
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

$(BROWSER_STAMP): requirements-browser.txt $(DEVELOPMENT_STAMP) | environment
	$(PIP_INSTALL) -r requirements-browser.txt
	@touch $@

# Created when missing or broken. A working environment is never replaced silently.
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
