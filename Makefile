# Everything here sets up what it needs under .venv, from whatever Python of 3.11 or
# later is found; pip's own configuration (index, proxy, certificates) is respected.
# `make` anything PYTHON=/path/to/python picks the interpreter by hand.

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help rehearse test test-all simulate stress stress-short bench lint format clean

DEV := .venv/dev
REHEARSE := .venv/rehearse
SAMPLE := examples/lighthouse
SOURCES := $(shell find src -name '*.py') pyproject.toml README.md LICENSE

help:
	@echo 'make rehearse  publish the sample project in $(SAMPLE) to a throwaway index, and prove it'
	@echo 'make test      run all tests, on the newest Poetry and at each seam on the oldest (six minutes)'
	@echo 'make test-all  the same on every minor of Poetry, more examples, and the short races (twenty-five minutes)'
	@echo 'make simulate  measure the wait for a release on a virtual clock, and write its figures'
	@echo 'make stress    race real Poetry processes, compare them with stock, read through real edges, break uploads (three hours)'
	@echo 'make bench     measure what the plugin costs, and its uploads against those of others'
	@echo 'make lint      run the linters'
	@echo 'make clean     remove all that these have made'

# The release, rehearsed: as a user has it, so with the built wheel in Poetry's own
# environment, and with a Poetry that shares nothing with the one you may have.
rehearse: $(REHEARSE)/.wheel
	@cd $(SAMPLE) && env -u POETRY_HOME \
	  POETRY_CONFIG_DIR="$(CURDIR)/.venv/poetry-home/config" \
	  POETRY_CACHE_DIR="$(CURDIR)/.venv/poetry-home/cache" \
	  POETRY_DATA_DIR="$(CURDIR)/.venv/poetry-home/data" \
	  POETRY_VIRTUALENVS_CREATE=false \
	  PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring \
	  "$(CURDIR)/$(REHEARSE)/bin/python" -m poetry publish-verified --rehearse --build --no-interaction

# Tests wait for one another's servers more than for a processor: hence two more than there are.
test: $(DEV)/.stamp
	@$(DEV)/bin/python -m tests.measured $(DEV)/bin/python -m pytest --durations 10 \
	  --numprocesses $$($(DEV)/bin/python -c 'import os; print((os.cpu_count() or 2) + 2)') $(PYTEST_ARGS)

test-all: export TESTS_THOROUGH := 1
test-all: test stress-short

simulate: $(DEV)/.stamp
	@$(DEV)/bin/python -m tests.simulation $(SIMULATE_ARGS)

stress: $(DEV)/.stamp
	$(DEV)/bin/python -m tests.stress.plugin_sets --rounds 15 $(STRESS_ARGS)
	$(DEV)/bin/python -m tests.stress.locks $(STRESS_ARGS)
	$(DEV)/bin/python -m tests.stress.parity
	$(DEV)/bin/python -m tests.stress.visibility --rounds 20
	$(DEV)/bin/python -m tests.stress.faults
	$(DEV)/bin/python -m tests.stress.kills
	$(DEV)/bin/python -m tests.stress.jobs
	$(DEV)/bin/python -m tests.stress.monorepo

stress-short: $(DEV)/.stamp
	$(DEV)/bin/python -m tests.stress.plugin_sets --short
	$(DEV)/bin/python -m tests.stress.locks --short
	$(DEV)/bin/python -m tests.stress.parity --short
	$(DEV)/bin/python -m tests.stress.visibility --short
	$(DEV)/bin/python -m tests.stress.faults --short
	$(DEV)/bin/python -m tests.stress.kills --short
	$(DEV)/bin/python -m tests.stress.jobs --short
	$(DEV)/bin/python -m tests.stress.monorepo --short

bench: $(DEV)/.stamp
	$(DEV)/bin/python -m tests.stress.cost
	$(DEV)/bin/python -m tests.bench.uploads

lint: $(DEV)/.stamp
	$(DEV)/bin/python -m ruff check
	$(DEV)/bin/python -m ruff format --check
	$(DEV)/bin/python -m mypy
	$(DEV)/bin/lint-imports

format: $(DEV)/.stamp
	$(DEV)/bin/python -m ruff check --fix
	$(DEV)/bin/python -m ruff format

clean:
	rm -rf .venv dist build $(SAMPLE)/dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv knows its own place: it is made anew when the checkout has moved or the
# interpreter has gone, and after an interrupted set-up, which leaves no stamp.
$(foreach venv,$(DEV) $(REHEARSE),$(shell \
  [ "$$(cat $(venv)/.python 2>/dev/null)" = "$$PWD" ] && $(venv)/bin/python -c '' 2>/dev/null \
  || rm -f $(venv)/.python))
$(DEV)/.python $(REHEARSE)/.python:
	@.ci/make-venv "$(@D)" $(PYTHON)
	@pwd > $@

$(DEV)/.stamp: $(DEV)/.python pyproject.toml
	@echo 'Setting up $(DEV): the linters, the test tools and the indexes to test against'
	@$(DEV)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@$(DEV)/bin/python -m pip install --quiet --disable-pip-version-check --group backends \
	  || echo 'Some build backends are not to be had here: their tests are skipped'
	@touch $@

$(REHEARSE)/.wheel: $(REHEARSE)/.python $(SOURCES)
	@echo 'Setting up $(REHEARSE): Poetry with the wheel of this checkout'
	@rm -rf .venv/wheel
	@$(REHEARSE)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir .venv/wheel .
	@wheel=$$(ls .venv/wheel/*.whl) && $(REHEARSE)/bin/python -m pip install --quiet --disable-pip-version-check "$$wheel" \
	  && $(REHEARSE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$$wheel"
	@touch $@
