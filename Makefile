# Two commands are enough: `make demo` and `make test`. The rest is for those who work on Mintmark.
.DEFAULT_GOAL := help
.PHONY: help demo test setup dev lint types bench docs nightly lock clean

BIN := .venv/bin
RUN := .venv/.ready-to-run
DEV := .venv/.ready-to-develop

help: ## List what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1  /p' $(MAKEFILE_LIST) | awk '{ name = $$1; $$1 = ""; printf "make %-9s%s\n", name, $$0 }'

demo: setup ## Set up, load a living example, serve it, print its address
	@$(BIN)/mintmark demo

test: dev ## Run the tests, on SQLite and what differs there on PostgreSQL
	@$(BIN)/python -m tests.chromium
	@scripts/test

setup: $(RUN) ## Make .venv with the mintmark command in it

dev: $(DEV) ## Make .venv with everything that tests, linters and docs need

lint: dev ## Check style, format and the floors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: dev ## Check the types (mypy strict)
	@$(BIN)/mypy

bench: dev ## Run the benchmarks; ONLY=prediction runs one folder of them
	@$(BIN)/python scripts/bench.py $(ONLY)

docs: dev ## Build the docs into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "· Built: site/index.html"

nightly: dev ## Run every test on both databases, with long searches for counter-examples
	@$(BIN)/python -m tests.chromium
	@HYPOTHESIS_PROFILE=nightly scripts/test

lock: dev ## Pin requirements/*.txt after a change of pyproject.toml; UPGRADE=--upgrade takes the newest
	@scripts/lock $(UPGRADE)

clean: ## Remove what was made here; the state in MINTMARK_HOME stays
	rm -rf .venv var/uv site mintmark/core/__pycache__ .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(RUN): requirements/base.txt pyproject.toml scripts/setup
	@scripts/setup base
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup dev
	@touch $(RUN) $@
