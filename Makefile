# Plain `make` prints what there is. All that is needed beforehand is Python 3.11 or newer, with venv and pip.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Those first for which a wheel carries the embedded Redis.
PYTHONS := python3.12 python3.11 python3.13 python3.14 python3 python
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install -qq
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links

NODE := command -v node >/dev/null && command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'
PAGES := web/static/build
CLIENTS_INSTALLED := clients/node_modules/.package-lock.json

# Where `make run` says how to reach what it started.
VAR := $(or $(CARILLON_VAR),var)
AS_DEVELOPED := test -r "$(VAR)/dev.env" || { echo "Nothing was started from $(VAR) yet: make run" >&2; exit 1; }; \
	set -a; . "$(abspath $(VAR))/dev.env"; set +a

.PHONY: help
help: ## Print this
	@awk 'BEGIN { FS = ":[^#]*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Run

.PHONY: run token demo-load lab
run: $(RUNTIME) ## Start everything here, with stand-ins for FCM and SMTP; PORT=8100 and the like move it
	@if $(NODE); then $(MAKE) --no-print-directory client || echo "The pages were not built; the API runs without them." >&2; \
		else echo "Node.js 20 or newer is not here: the API runs without pages." >&2; fi
	@exec $(BIN)/python -m lab.up

# The shell's own USER is whoever develops, not a user of the demo.
token: export DEMO_USER := $(if $(filter command line,$(origin USER)),$(USER),alice)
token: $(RUNTIME) ## Print a token for a user of the demo: make token USER=alice
	@$(AS_DEVELOPED); exec $(BIN)/flask --app web.app token --tenant demo --user "$$DEMO_USER"

demo-load: $(RUNTIME) ## Send one notification to 10,000 users on three channels and count what arrives
	@exec $(BIN)/python -m lab.load

lab: $(RUNTIME) ## Only the stand-ins for FCM and SMTP; the line it prints has the CARILLON_LAB_URL
	@exec $(BIN)/python -m lab

.PHONY: bench
bench: $(DEVELOPMENT) bench/peers/node_modules/.package-lock.json ## Measure, beside what else there is; ONLY=push and the like choose
	@exec $(BIN)/python -W ignore -m bench $(ONLY)

bench/peers/node_modules/.package-lock.json: bench/peers/package-lock.json
	@npm ci --silent --no-audit --no-fund --prefix bench/peers

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
	$(BIN)/flask --app web.app catalogue typescript >clients/js/src/events.ts
	$(BIN)/flask --app web.app openapi | node clients/codegen/generate.mjs >clients/js/src/openapi.ts

check: lint ## Everything that is quick; before every commit
	$(BIN)/pytest -q -n auto -m "not slow"

# The tests run even where the linters complain, and theirs is the last line.
test: $(DEVELOPMENT) ## Everything; what takes longest only with CI set
	@complaints=0; $(MAKE) --no-print-directory lint || complaints=$$?; \
		$(BIN)/pytest -n auto --durations=20 $(if $(CI),,-m "not long") && exit $$complaints

lint: $(DEVELOPMENT) ## Format, lint, types, imports
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	@if $(NODE); then $(MAKE) -s --no-print-directory $(CLIENTS_INSTALLED) && npm run --silent check --prefix clients; \
		else echo "TypeScript and CSS were not checked: that needs Node.js 20 or newer, with npm." >&2; $(if $(CI),exit 1,:); fi

fix: $(DEVELOPMENT) ## Format everything, and correct what the linters can
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	@if $(NODE); then $(MAKE) -s --no-print-directory $(CLIENTS_INSTALLED) && npm run --silent fix --prefix clients; \
		else echo "TypeScript and CSS were left alone: that needs Node.js 20 or newer, with npm." >&2; fi

migration: export MESSAGE := $(MESSAGE)
migration: $(DEVELOPMENT) ## Write a migration for what changed in models/*/tables.py: make migration MESSAGE="add a column"
	@test -n "$$MESSAGE" || { echo 'What changes? make migration MESSAGE="add a column"' >&2; exit 1; }
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && export DATABASE_URL="sqlite:///$$scratch/scratch.db" && \
		$(BIN)/python -m alembic --quiet upgrade head && \
		$(BIN)/python -m alembic revision --autogenerate --message "$$MESSAGE" \
			--rev-id "$$(printf '%04d' $$(($$(ls migrations/versions/*.py | wc -l) + 1)))"

lock: $(DEVELOPMENT) ## Pin what requirements*.in ask for; UPGRADE=1 takes the newest of everything
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements-dev.in -o requirements-dev.txt

dist: $(DEVELOPMENT) ## Build what services install: a wheel and an sdist of `carillon`, into dist/
	@rm -rf dist
	@$(BIN)/uv build --quiet --out-dir dist .
	@ls dist

# The virtual environment: made when it is missing, brought up to date when the pins change.

$(BIN)/python:
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "Setting up .venv with $$("$$python" --version); this takes a minute, once." >&2; \
			"$$python" -m venv --clear .venv >&2 && exit 0; \
			echo "Carillon needs Python's venv and pip (Debian: apt-get install python3-venv)." >&2; exit 1; \
		fi; \
	done; \
	echo "Carillon needs Python 3.11 or newer; none of these is: $(PYTHONS)" >&2; exit 1

$(RUNTIME): requirements.txt $(BIN)/python
	@$(INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@$(INSTALL) -r requirements-dev.txt
	@touch $@
