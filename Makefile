# phmbench: `make` lists the targets. The only requirement is Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-slurm test-ray test-postgresql test-aeon torture lint types docs results protocols generalisation leaderboard bench bench-sweep clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 12

install: $(STAMP) ## create .venv and install phmbench with what development needs

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "phmbench needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP) ## install, then run `python train.py` with its defaults: simulated rigs, a small network, CPU
	$(BIN)/python train.py trainer=cpu

test: $(STAMP) ## fast tests, on all cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m 'not slow'

test-all: $(STAMP) ## all tests, the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto

APT := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
CLUSTER := $(BIN)/python -m pytest -q -m cluster

test-slurm: $(STAMP) ## sweeps through a real Slurm of one node; as root, on Debian
	command -v slurmctld slurmd slurmdbd munged mariadbd > /dev/null || \
		{ apt-get update -qq && $(APT) slurm-wlm slurmdbd munge mariadb-server; }
	tests/clusters/slurm.sh $(CLUSTER) tests/clusters/test_slurm.py

test-ray: $(STAMP) ## sweeps on a local Ray of two workers
	$(BIN)/pip install --quiet -c constraints.txt -e '.[ray]'
	$(CLUSTER) tests/clusters/test_ray.py

test-postgresql: $(STAMP) ## one study on a real PostgreSQL, two sweeps at once
	$(BIN)/pip install --quiet -c constraints.txt -e '.[postgresql]'
	ls /usr/lib/postgresql/*/bin/pg_ctl > /dev/null 2>&1 || { apt-get update -qq && $(APT) postgresql; }
	tests/clusters/postgresql.sh $(CLUSTER) tests/clusters/test_postgresql.py

test-aeon: $(STAMP) ## estimators of aeon, which needs older pandas and numpy than ours: in .venv/aeon, before them
	$(BIN)/pip install --quiet --upgrade --target $(VENV)/aeon -c constraints-aeon.txt aeon 2> $(VENV)/aeon.log || { cat $(VENV)/aeon.log; exit 1; }
	PYTHONPATH=$(CURDIR)/$(VENV)/aeon $(BIN)/python -m pytest -q -m aeon

torture: $(STAMP) ## kills, faults, mutated files: all of them, counted into docs/reliability.md
	rm -f .torture
	export PHMBENCH_TORTURE=full PHMBENCH_TORTURE_COUNTS=$(CURDIR)/.torture OMP_NUM_THREADS=1; \
	$(BIN)/python -m pytest -q tests/unit/test_hostile_targets.py && $(BIN)/python -m pytest -q -n auto -m torture
	$(BIN)/python docs/make_reliability.py .torture

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict on phmbench/
	$(BIN)/mypy

results: $(STAMP) ## the tables of README and docs/results.md; goes on where it stopped
	$(BIN)/python docs/make_results.py

protocols: $(STAMP) ## all tables of docs/protocols.yaml; goes on where it stopped
	$(BIN)/python docs/make_protocols.py

generalisation: $(STAMP) ## the tables of docs/generalisation.md and few-shot.md; goes on where it stopped
	$(BIN)/python docs/make_protocols.py --only 'dg_*,adapt_*,fewshot_*,leakage_gap_fewshot'

leaderboard: $(STAMP) ## runs of docs/leaderboard.yaml, then docs/leaderboard.md; goes on where it stopped
	$(BIN)/python docs/make_leaderboard.py

bench: $(STAMP) ## benchmarks/RESULTS.md, and what became slower; ONLY=loader (startup, step, store, sweep) for a part
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(STRICT),--strict)

bench-sweep: $(STAMP) ## the part of the benchmarks that is about sweeps
	$(MAKE) bench ONLY=sweep

docs: $(STAMP) ## the site, in site/
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python docs/make_pages.py
	$(BIN)/mkdocs build --strict

clean: ## remove the environment and what tools have left
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis site
