# Freehold: build, try and test. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE := $(or $(FREEHOLD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/freehold)
UV_VERSION := 0.13.9
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
PYTHON := .venv/bin/python
DOCS_LOCK := docs/requirements.lock
DOCS := $(CACHE)/docs-$(shell sha256sum $(DOCS_LOCK) | cut -c1-16)

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@python3 -m venv $(CACHE)/uv-$(UV_VERSION)
	@$(CACHE)/uv-$(UV_VERSION)/bin/pip -q install uv==$(UV_VERSION)

.venv/installed: requirements.lock pyproject.toml | $(UV)
	@$(UV) venv -q --allow-existing --python python3 .venv
	@$(UV) pip sync -q --python $(PYTHON) --require-hashes requirements.lock
	@$(UV) pip install -q --python $(PYTHON) --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: venv
venv: .venv/installed ## the project's Python environment, from the lock file

.PHONY: lock
lock: | $(UV) ## write the lock files of the project, the operator, checkov and the documentation again
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --group dev pyproject.toml -o requirements.lock
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links pyproject.toml -o operator/requirements.lock
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --group checkov -o $(CHECKOV_LOCK)
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --group docs -o $(DOCS_LOCK)

.PHONY: generate
generate: venv tools ## write again what is generated: CRD, chart schema and README, install manifests, reference, stubs
	@$(PYTHON) -m hack.generate
	@$(MAKE) --no-print-directory -C services UV=$(UV) generate

$(DOCS)/installed: | $(UV)
	@$(UV) venv -q --allow-existing --python python3 $(DOCS)
	@$(UV) pip sync -q --python $(DOCS)/bin/python --require-hashes $(DOCS_LOCK)
	@touch $@

.PHONY: docs
docs: $(DOCS)/installed ## the documentation as a site in build/site; a dead link or anchor is an error
	@said=$$(NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict 2>&1) || { echo "$$said"; exit 1; }

.PHONY: lint
lint: venv tools docs ## style, types, layers, the documentation, and whether anything generated is out of date
	@.venv/bin/ruff check -q . && .venv/bin/ruff format -q --check .
	@.venv/bin/mypy
	@said=$$(.venv/bin/lint-imports) || { echo "$$said"; exit 1; }
	@$(PYTHON) -m hack.style
	@$(PYTHON) -m hack.generate --check
	@$(MAKE) --no-print-directory -C services UV=$(UV) lint check-generated

.PHONY: tools
tools: venv ## the cluster's tools, from their pinned Go modules
	@$(PYTHON) -m localcluster tools

.PHONY: up
up: venv ## a cluster with Freehold installed (CLUSTER=local|kind|current)
	@$(PYTHON) -m hack.stage

.PHONY: demo
demo: venv ## the shop, in a real cluster: a purchase, an invoice, a refused connection
	@$(PYTHON) -m hack.demo

.PHONY: down
down: venv ## end the local cluster and remove all it made; tools and images stay cached
	@$(PYTHON) -m localcluster down

.PHONY: test-fast
test-fast: venv tools ## unit, golden and API server tests; some four minutes on two cores
	@$(PYTHON) -m pytest -q --numprocesses=3 --dist=loadfile -m 'not campaign' tests/unit tests/golden tests/api

.PHONY: test-services
test-services: venv tools ## each service's own tests, with its language's own tools
	@$(MAKE) --no-print-directory -C services UV=$(UV) test

CHECKOV_LOCK := tests/assurance/checkov.lock
CHECKOV := $(CACHE)/checkov-$(shell sha256sum $(CHECKOV_LOCK) | cut -c1-16)
$(CHECKOV)/installed: | $(UV)
	@$(UV) venv -q --allow-existing --python python3 $(CHECKOV)
	@$(UV) pip sync -q --python $(CHECKOV)/bin/python --require-hashes $(CHECKOV_LOCK)
	@touch $@

.PHONY: test-manifests
test-manifests: venv tools $(CHECKOV)/installed ## checkov and kube-score over every object Freehold makes
	@$(PYTHON) -m localcluster tools checks
	@$(PYTHON) -m tests.assurance --checkov $(CHECKOV)/bin/checkov

.PHONY: test-localcluster
test-localcluster: venv tools ## the local cluster itself: killed parts restart, and `down` removes everything
	@$(PYTHON) -m pytest -q tests/localcluster

.PHONY: test-move
test-move: venv ## moves of data between real servers: no row is lost, whichever party is killed
	@$(PYTHON) -m pytest -q --numprocesses=2 -m 'not campaign' tests/move

STORIES := $(PYTHON) -m pytest -v --durations=12 tests/e2e
.PHONY: test-e2e
test-e2e: venv tools ## the stories, in a real cluster: most beside others, then those marked alone
	@export FREEHOLD_E2E_BEGUN=$$(date -u +%FT%H-%M-%SZ); \
	$(STORIES) --numprocesses=3 --dist=loadfile --no-loadscope-reorder -m 'not alone and not campaign'; beside=$$?; \
	$(STORIES) -m 'alone and not campaign' && exit $$beside

.PHONY: test-tilt
test-tilt: venv tools ## `tilt ci` with the Tilt on PATH, on a local cluster of its own; `make campaign` runs it too
	@$(PYTHON) -m pytest -v -m campaign tests/tilt

.PHONY: campaign
campaign: venv tools ## every fault at every step of a move, and other tests too long for every run
	@$(PYTHON) -m pytest -v -m campaign tests

.PHONY: test
test: ## all tests
	@python3 -m hack.test

.PHONY: bench
bench: venv tools ## the figures of the README, measured here and now
	@$(PYTHON) -m benchmarks

.PHONY: bench-slice
bench-slice: venv tools ## the smallest run of every part of bench, judged by what needs no quiet machine: writes, memory
	@$(PYTHON) -m benchmarks --slice
