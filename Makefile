# `make help` lists the targets. Most targets run in .venv. They call tools/dev/setup_venv.sh, which creates .venv if it
# does not exist. These variables change the targets:
#
#   PYTHON=python3.11    interpreter that creates .venv (Python 3.10 to 3.12)
#   DEMO_ARGS=--short    arguments of demo/sample_demo.py
#   PYTEST_ARGS='-k sian' arguments of pytest
#   JOBS=1               number of test processes (default: one for each core, at most 8);
#                        0 runs the tests in the main process of pytest
#   LOCK_ARGS=--upgrade  arguments of tools/dev/update_lock.sh
#   DATA=DIR             folder with the test sets of `make results`

SHELL := /bin/bash
export PYTHON
PYTHON ?=
DEMO_ARGS ?=
PYTEST_ARGS ?=
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
LOCK_ARGS ?=

BIN := .venv/bin
SETUP := tools/dev/setup_venv.sh
REPORTS := docs/en/reports

.DEFAULT_GOAL := help
.PHONY: help demo test lint soak docs release results lock clean base full

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: base  ## train a small derainer on bundled photographs, test it, and write comparison images
	$(BIN)/python demo/sample_demo.py $(DEMO_ARGS)
	$(BIN)/python demo/scene_demo.py --if-possible

test: full lint  ## run lint, then all tests except the endurance tests
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses=8 --dist=worksteal --durations=20 $(PYTEST_ARGS)

lint: full  ## check code style, refused words, types, and the YAML files in .github
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python tools/dev/check_words.py
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/{bug,feature}.yml

soak: full  ## run the endurance tests, and write a dated report to docs/en/reports
	@mkdir -p $(REPORTS)
	@set -o pipefail; report=$(REPORTS)/soak_$$(date +%F).txt; \
	[ ! -e $$report ] || report=$(REPORTS)/soak_$$(date +%F_%H%M).txt; \
	{ echo "Endurance run of $$(date '+%F %H:%M %Z'), mmderain $$($(BIN)/python -c \
	    'import mmderain; print(mmderain.__version__)')"; echo; \
	  $(BIN)/python -m pytest -m soak -rP --durations=0 --color=no --disable-warnings --no-header $(PYTEST_ARGS); } 2>&1 \
	| sed -u "s#$(CURDIR)/##g" | tee "$$report"

docs: full  ## build the documentation site; its first page is site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet -f docs/mkdocs.yml
	@echo '$(CURDIR)/site/index.html'

release: full  ## build the source archive and the wheel; install, use and remove the wheel next to mmdet
	$(BIN)/python tools/dev/check_release.py

results: full  ## measure the bundled derainers on the test sets in DATA, and write the pages with results
	$(BIN)/python tools/dev/measure_derainers.py $(DATA) --authors
	$(BIN)/python tools/dev/training_curves.py
	$(BIN)/python tools/dev/results.py

lock:  ## update requirements/lock.txt after a change to lock.in or pyproject.toml
	tools/dev/update_lock.sh $(LOCK_ARGS)

clean:  ## remove build results and caches; keep .venv, data and work_dirs
	rm -rf build dist site .pytest_cache .ruff_cache
	find . \( -name .venv -o -name .git \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

base full:
	@$(SETUP) $@
