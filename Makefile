# The three commands of a newcomer; each creates .venv and installs what is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install run test tables clean
install: .venv/installed

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

run: install
	$(BIN)/sweeper run studies/kl_lr.yaml

test: install
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -n 2

tables: install
	$(BIN)/python studies/tables.py

clean:
	rm -rf .venv sweeps mlflow.db*
