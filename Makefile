# Both commands set up their own environment in .venv; nothing outside the project is touched.
PYTHON ?= python3
BIN := .venv/bin
RUN ?= work/digits

.PHONY: train test quick processes slow wheel libtpu compat lint lock report evidence docs notebooks clean

train: .venv/ready
	$(BIN)/python -m experiments.diffenc.suite --workdir=$(RUN) \
		--config=experiments/configs/diffenc/digits.py --models=vdmv,nt,diffenc,free --seeds=2

test: .venv/ready
	$(BIN)/python -m pytest

# What a change touches, nearest tests first, for two minutes.
quick: .venv/ready
	TEST_SECONDS=100 $(BIN)/python -m pytest --dist load -rs $$($(BIN)/python tests/quick.py)

# Two studies by real processes, and with `slow` two other slow tests; others with the next commit,
# or TURN=N.
TURN ?= $(shell git rev-list --count HEAD)
SLOW := TEST_TURN=$(TURN) $(BIN)/python -m pytest -m "slow and not gpu and not tpu"
PROCESSES := tests/experiments/test_promises_by_processes.py
processes: .venv/ready
	$(SLOW) $(PROCESSES)
slow: processes
	$(SLOW) --ignore=$(PROCESSES)

# The wheel in a fresh environment outside the clone; needs a package index.
wheel: .venv/ready
	$(BIN)/python -m pytest -n 0 -m registry tests/registry

# What is compiled for TPUs that are not here, by the compiler that jax names; needs a package index.
libtpu: .venv/ready
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target work/libtpu "$$($(BIN)/python -c \
		'from importlib.metadata import requires; print(*(r.partition(";")[0] for r in requires("jax") if r.startswith("libtpu")))')"
	PYTHONPATH=work/libtpu $(BIN)/python -m pytest -n 0 -m libtpu tests/experiments

# The quick tests on the newest Python and the newest releases of everything that can be had here.
NEWEST := $(lastword $(sort $(wildcard $(HOME)/.pyenv/versions/3.1[3-9]*/bin/python)))
COMPAT := .venv-compat/bin/python
compat:
	$(or $(NEWEST),python3) -m venv .venv-compat
	$(COMPAT) -m pip install --quiet --upgrade --editable '.[dev]'
	$(COMPAT) -c 'import sys, jax; print("Python", sys.version.split()[0], "jax", jax.__version__)'
	JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.venv-compat/cache $(COMPAT) -m pytest tests/repgeo tests/similarity \
		tests/hubness tests/distill tests/diffenc tests/experiments/runtime

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-header -q -o requirements.lock

report: .venv/ready
	$(BIN)/python -m experiments.report

# Every record and whether it stands; RECORDS='--run NAME …' makes some again.
evidence: .venv/ready
	$(BIN)/python -m experiments.reproduce $(RECORDS)

# The site, into work/site: nothing is fetched, and a broken link is an error.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# The notebooks' outputs, from the scripts beside them.
notebooks: .venv/ready
	$(BIN)/python -m docs.notebooks.notebook

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache work
