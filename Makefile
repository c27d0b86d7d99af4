# Freehold: build, try and test. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE := $(or $(FREEHOLD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/freehold)
UV_VERSION := 0.13.9
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
PYTHON := .venv/bin/python

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
lock: | $(UV) ## write requirements.lock and operator/requirements.lock again
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --group dev pyproject.toml -o requirements.lock
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links pyproject.toml -o operator/requirements.lock
