# `make` without a target prints the list of targets. Requires only Python 3.11 or newer, with venv and pip.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Versions with a wheel of the embedded Redis come first.
PYTHONS := python3.12 python3.11 python3.13 python3.14 python3 python
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install -qq
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links

NODE := command -v node >/dev/null && command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'
PAGES := web/static/build
CLIENTS_INSTALLED := clients/node_modules/.package-lock.json

# `make run` writes the settings of the installation that it starts to dev.env in this directory.
VAR := $(or $(CARILLON_VAR),var)
WITH_DEV_ENV := test -r "$(VAR)/dev.env" || { echo "$(VAR)/dev.env does not exist: start Carillon with make run first" >&2; exit 1; }; \
	set -a; . "$(abspath $(VAR))/dev.env"; set +a

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":[^#]*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Run

.PHONY: run key token demo-load lab
run: $(RUNTIME) ## Start Carillon on this machine, with stand-ins for FCM and SMTP; set PORT=8100 etc. to use other ports
	@if $(NODE); then $(MAKE) --no-print-directory client || echo "Building the pages failed; the API runs without them." >&2; \
		else echo "Node.js 20 or newer was not found; the API runs without pages." >&2; fi
	@exec $(BIN)/python -m lab.up

key: ## Print the API key of the demo
	@$(WITH_DEV_ENV); sed -n 's/.*"live": "\([^"]*\)".*/\1/p' "$(VAR)/demo-keys.json"

# USER from the environment is the developer's login name, so only USER from the command line counts.
token: export DEMO_USER := $(if $(filter command line,$(origin USER)),$(USER),alice)
token: $(RUNTIME) ## Print a token for a demo user: make token USER=alice
	@$(WITH_DEV_ENV); exec bin/carillon token --tenant demo --user "$$DEMO_USER"

demo-load: $(RUNTIME) ## Send a notification to 10,000 users on three channels and check that everything arrives
	@exec $(BIN)/python -m lab.load

lab: $(RUNTIME) ## Start only the stand-ins for FCM and SMTP; the output has the value for CARILLON_LAB_URL
	@exec $(BIN)/python -m lab

.PHONY: bench
bench: $(DEVELOPMENT) bench/peers/node_modules/.package-lock.json ## Run the benchmarks, or some of them: make bench ONLY=push
	@exec $(BIN)/python -W ignore -m bench $(ONLY)

bench/peers/node_modules/.package-lock.json: bench/peers/package-lock.json
	@npm ci --silent --no-audit --no-fund --ignore-scripts --prefix bench/peers

##@ Develop

.PHONY: client types check test lint fix migration lock dist
client: ## Build what browsers run, if a source is newer; needs Node.js 20 and npm
	@$(NODE) || { echo "This needs Node.js 20 or newer, with npm." >&2; exit 1; }
	@$(MAKE) -s --no-print-directory $(CLIENTS_INSTALLED)
	@! [ -e $(PAGES)/.built ] || [ -n "$$(find clients \( -name node_modules -o -name dist -o -name e2e -o -name test \
		-o -name screenshots \) -prune -o -type f -newer $(PAGES)/.built -print | head -n 1)" ] || exit 0; \
		mkdir -p $(PAGES) && npm run --silent build --prefix clients && touch $(PAGES)/.built

$(CLIENTS_INSTALLED): clients/package-lock.json
	@npm ci --silent --no-audit --no-fund --ignore-scripts --prefix clients
	@touch $@

types: $(DEVELOPMENT) $(CLIENTS_INSTALLED) ## Write the TypeScript of the events and of the HTTP API
	bin/carillon catalogue typescript >clients/js/src/events.ts
	bin/carillon openapi | node clients/codegen/generate.mjs >clients/js/src/openapi.ts

check: lint ## Run the linters and the quick tests; before every commit
	$(BIN)/pytest -q -n auto -m "not slow"

# Runs the tests even if a linter fails, so that their summary is always the last output.
test: $(DEVELOPMENT) ## Run the linters and all tests; the longest tests only if CI is set
	@lint_status=0; $(MAKE) --no-print-directory lint || lint_status=$$?; \
		$(BIN)/pytest -n auto --dist worksteal --durations=20 $(if $(CI),,-m "not long") && exit $$lint_status

lint: $(DEVELOPMENT) ## Check formatting, lint rules, types and import rules
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	@if $(NODE); then $(MAKE) -s --no-print-directory $(CLIENTS_INSTALLED) && npm run --silent check --prefix clients; \
		else echo "TypeScript and CSS were not checked: that needs Node.js 20 or newer, with npm." >&2; $(if $(CI),exit 1,:); fi

fix: $(DEVELOPMENT) ## Format everything and apply the linters' automatic fixes
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	@if $(NODE); then $(MAKE) -s --no-print-directory $(CLIENTS_INSTALLED) && npm run --silent fix --prefix clients; \
		else echo "TypeScript and CSS were left alone: that needs Node.js 20 or newer, with npm." >&2; fi

migration: export MESSAGE := $(MESSAGE)
migration: $(DEVELOPMENT) ## Generate a migration from changes in models/*/tables.py: make migration MESSAGE="add a column"
	@test -n "$$MESSAGE" || { echo 'MESSAGE is missing: make migration MESSAGE="add a column"' >&2; exit 1; }
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && export DATABASE_URL="sqlite:///$$scratch/scratch.db" && \
		$(BIN)/python -m alembic --quiet upgrade head && \
		$(BIN)/python -m alembic revision --autogenerate --message "$$MESSAGE" \
			--rev-id "$$(printf '%04d' $$(($$(ls migrations/versions/*.py | wc -l) + 1)))"

lock: $(DEVELOPMENT) ## Pin the versions for requirements*.in; UPGRADE=1 upgrades all of them
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements-dev.in -o requirements-dev.txt

dist: $(DEVELOPMENT) ## Build what services install: a wheel and an sdist of `carillon`, into dist/
	@rm -rf dist
	@$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist .
	@ls dist

# The virtual environment: created if it is missing, and updated when the pinned versions change.

$(BIN)/python:
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "Creating .venv with $$("$$python" --version). This takes about a minute, the first time only." >&2; \
			"$$python" -m venv --clear .venv >&2 && exit 0; \
			echo "Carillon needs Python's venv and pip (Debian: apt-get install python3-venv)." >&2; exit 1; \
		fi; \
	done; \
	echo "Carillon needs Python 3.11 or newer, which was not found. Tried: $(PYTHONS)" >&2; exit 1

$(RUNTIME): requirements.txt $(BIN)/python
	@$(INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@$(INSTALL) -r requirements-dev.txt
	@touch $@
