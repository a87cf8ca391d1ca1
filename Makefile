# Everything a newcomer needs: make demo, make test. PYTHON chooses the interpreter of the environment.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-portable check bench bench-autoregressive bench-variational bench-adversarial bench-modes bench-measures bench-threads clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/triptych compare --data digits pixelcnn vae gan --minutes 1 --out runs/demo

test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto

# The numeric tests with the rounding of other processors: four runs, six where there is AVX-512.
test-portable: .venv/installed-dev
	$(BIN)/python tests/portable.py

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed-dev
	$(BIN)/python benchmarks/frame.py

# On a machine that does nothing else: it starts other processes itself. About half an hour.
bench-threads: .venv/installed-dev
	$(BIN)/python benchmarks/threads.py --docs docs/running.md

bench-autoregressive: .venv/installed-dev
	$(BIN)/python benchmarks/autoregressive.py
	$(BIN)/python benchmarks/autoregressive.py --threads 2
	$(BIN)/python benchmarks/recurrent.py

# PEER is the Python of an environment with pythae and the same version of torch.
bench-variational: .venv/installed-dev
	$(BIN)/python benchmarks/variational.py --peer $(PEER) --docs docs/variational.md

# PEER is the Python of an environment with torchgan and the same version of torch.
bench-adversarial: .venv/installed-dev
	$(BIN)/python benchmarks/adversarial.py --peer $(PEER) --docs docs/adversarial.md

bench-modes: .venv/installed-dev
	$(BIN)/python benchmarks/modes.py --docs docs/adversarial.md

bench-measures: .venv/installed-dev
	$(BIN)/python benchmarks/measures_speed.py
	$(BIN)/python benchmarks/annealing.py
	$(BIN)/python benchmarks/measures.py --data digits --n 400 --docs docs/measures.md

clean:
	rm -rf .venv build dist src/*.egg-info
