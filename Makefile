SHELL := /bin/bash
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE

KEEP ?=
python := .venv/bin/python

.PHONY: help setup demo lab lab-down test test-fast lint bench format dashboards requirements clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with the pinned packages and see that a Docker engine answers (nothing to do: under a second)
	@tools/setup

demo: setup ## Train a model in the lab from an empty account and back; KEEP=1 leaves the stack up
	@KEEP=$(KEEP) $(python) tools/demo.py

lab: setup ## Start the emulated AWS account on this machine
	@$(python) -m lab up

lab-down: setup ## Stop it and remove all it made
	@$(python) -m lab down

test: setup ## Run every test, with one summary at the end
	@tools/test

test-fast: setup ## Unit tests, contracts and lint of the changed files: some minutes
	@tools/test fast

lint: setup ## Lint everything
	@tools/test lint

bench: setup ## Measure the verbs, also beside Terraform: hours; BENCH='--rounds 1 --only terraform' is some minutes
	@$(python) tests/benchmarks/bench.py $(BENCH)

format: setup ## Let ruff put the Python files in order
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .

dashboards: setup ## Write Grafana's dashboards anew, after a change of tools/dashboards.py
	@$(python) tools/dashboards.py

requirements: setup ## Pin the newest packages that requirements.in allows
	@.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --upgrade --quiet --custom-compile-command 'make requirements' --output-file requirements.txt requirements.in
	@echo galaxy-importer | .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --upgrade --quiet --no-annotate --custom-compile-command 'make requirements' \
	  --output-file tools/galaxy-importer.txt -

clean: ## Remove what tests and builds leave behind (not .venv, not the lab)
	@rm -rf build .ansible .pytest_cache .ruff_cache .mypy_cache
