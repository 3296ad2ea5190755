# The commands of a newcomer; each creates .venv and installs what is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install own-script run test chaos postgres docs tables clean
install: .venv/installed

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

own-script: install
	$(BIN)/sweeper run studies/own_script.yaml
	$(BIN)/sweeper report own_script

run: install
	$(BIN)/sweeper run studies/kl_lr.yaml

test: install postgres
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -n 2

# Three rounds of every way in which a machine ends a study; `make test` has one.
chaos: install
	CHAOS_ROUNDS=3 $(BIN)/pytest tests/e2e/test_chaos.py -n 2

# The server whose tests are skipped where there is none; installed where that takes no question.
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get -qq update >/dev/null 2>&1 \
	  && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends postgresql \
	  >/dev/null 2>&1; } || echo "PostgreSQL cannot be installed here; its tests are skipped"

docs: install
	$(BIN)/python docs/study_file.py

tables: install
	$(BIN)/python studies/tables.py

clean:
	rm -rf .venv sweeps mlflow.db*
