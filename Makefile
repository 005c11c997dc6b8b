# Both commands set up their own environment in .venv; nothing outside the project is touched.
PYTHON ?= python3
BIN := .venv/bin
RUN ?= work/digits

.PHONY: train test lint lock report clean

train: .venv/ready
	$(BIN)/python -m experiments.diffenc.suite --workdir=$(RUN) \
		--config=experiments/configs/diffenc/digits.py --models=vdmv,nt,diffenc,free --seeds=2

test: .venv/ready
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-header -q -o requirements.lock

report: .venv/ready
	$(BIN)/python -m experiments.report

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache work
