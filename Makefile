# Every target sets up what it needs under .venv, with the first Python 3.11 or later that it
# finds. pip's own configuration (index, proxy, certificates) applies. `make TARGET
# PYTHON=/path/to/python` chooses the interpreter.

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help rehearse test test-all simulate stress stress-short bench docs pages terminal lint format clean

# Some containers set it: each process would then compile all tests and sources again.
unexport PYTHONDONTWRITEBYTECODE

DEV := .venv/dev
REHEARSE := .venv/rehearse
DOCS := .venv/docs
SAMPLE := examples/lighthouse
SOURCES := $(shell find src -name '*.py') pyproject.toml README.md LICENSE

help:
	@echo 'make rehearse  publish the sample project in $(SAMPLE) to a throwaway index and prove it'
	@echo 'make test      run all tests on the newest Poetry, and those of the seams on the oldest (six minutes)'
	@echo 'make test-all  run them on every minor of Poetry with more examples, and the short stress tests (25 minutes)'
	@echo 'make simulate  measure the wait for a release on a virtual clock and write the figures in the docs'
	@echo 'make stress    race Poetry processes, compare them with stock, delay indexes, break uploads (three hours)'
	@echo 'make bench     measure how fast the plugin is next to other tools, and write docs/bench.json (12 minutes)'
	@echo 'make docs      build the documentation in build/docs, and check its links'
	@echo 'make pages     write the pages and schemas that are made from the code'
	@echo 'make terminal  record a rehearsal for the README'
	@echo 'make lint      run the linters and check the import contracts'
	@echo 'make clean     remove everything that these targets made'

# As a user has it: the built wheel in Poetry's own environment, and a Poetry that is isolated
# from the one that you may have.
REHEARSAL = cd $(SAMPLE) && env -u POETRY_HOME \
  POETRY_CONFIG_DIR="$(CURDIR)/.venv/poetry-home/config" \
  POETRY_CACHE_DIR="$(CURDIR)/.venv/poetry-home/cache" \
  POETRY_DATA_DIR="$(CURDIR)/.venv/poetry-home/data" \
  POETRY_VIRTUALENVS_CREATE=false \
  PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring \
  "$(CURDIR)/$(REHEARSE)/bin/python" -m poetry publish-verified --rehearse --build --no-interaction

rehearse: $(REHEARSE)/.wheel
	@$(REHEARSAL)

terminal: $(REHEARSE)/.wheel $(DEV)/.stamp
	@rm -rf $(SAMPLE)/dist
	@($(REHEARSAL) --ansi) | $(DEV)/bin/python docs/make_terminal.py > docs/_static/terminal.svg

# Tests wait for servers more than for the CPU, hence two more processes than CPUs. Each keeps to
# neighbouring tests, which share servers and environments.
test: $(DEV)/.stamp
	@$(DEV)/bin/python -m tests.measured $(DEV)/bin/python -m pytest --durations 10 \
	  --dist worksteal --numprocesses $$($(DEV)/bin/python -c 'import os; print((os.cpu_count() or 2) + 2)') $(PYTEST_ARGS)

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
	$(DEV)/bin/python -m tests.stress.shared_filesystems

stress-short: $(DEV)/.stamp
	$(DEV)/bin/python -m tests.stress.plugin_sets --short
	$(DEV)/bin/python -m tests.stress.locks --short
	$(DEV)/bin/python -m tests.stress.parity --short
	$(DEV)/bin/python -m tests.stress.visibility --short
	$(DEV)/bin/python -m tests.stress.faults --short
	$(DEV)/bin/python -m tests.stress.kills --short
	$(DEV)/bin/python -m tests.stress.jobs --short
	$(DEV)/bin/python -m tests.stress.monorepo --short
	$(DEV)/bin/python -m tests.stress.shared_filesystems --short

bench: $(DEV)/.stamp
	$(DEV)/bin/python -m tests.bench $(BENCH_ARGS)

# Any warning ends it: a page that no list has, a link or an anchor that leads nowhere.
docs: $(DOCS)/.stamp
	@rm -rf build/docs
	@$(DOCS)/bin/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky -d $(DOCS)/doctrees docs build/docs
	@$(DOCS)/bin/python docs/check_site.py build/docs
	@echo 'The documentation is in build/docs/index.html'

PAGES := codes commands events fields settings supported
pages: $(DEV)/.stamp
	@$(DEV)/bin/python docs/make_schemas.py
	@$(DEV)/bin/python docs/make_readme.py
	@for page in $(PAGES); do $(DEV)/bin/python docs/make_$$page.py > docs/reference/$$page.md || exit 1; done

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

# A venv contains its own path: it is recreated if the checkout has moved, if its interpreter is
# gone, and after an interrupted set-up, which leaves no stamp.
$(foreach venv,$(DEV) $(REHEARSE) $(DOCS),$(shell \
  [ "$$(cat $(venv)/.python 2>/dev/null)" = "$$PWD" ] && $(venv)/bin/python -c '' 2>/dev/null \
  || rm -f $(venv)/.python))
$(DEV)/.python $(REHEARSE)/.python $(DOCS)/.python:
	@.ci/make-venv "$(@D)" $(PYTHON)
	@pwd > $@

$(DEV)/.stamp: $(DEV)/.python pyproject.toml
	@echo 'Setting up $(DEV): the linters, the test tools and the indexes to test against'
	@$(DEV)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@$(DEV)/bin/python -m pip install --quiet --disable-pip-version-check --group backends \
	  || echo 'Some build backends are not available here: their tests are skipped'
	@touch $@

$(DOCS)/.stamp: $(DOCS)/.python pyproject.toml
	@echo 'Setting up $(DOCS): what builds the documentation'
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --group docs
	@touch $@

$(REHEARSE)/.wheel: $(REHEARSE)/.python $(SOURCES)
	@echo 'Setting up $(REHEARSE): Poetry with the wheel of this checkout'
	@rm -rf .venv/wheel
	@$(REHEARSE)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir .venv/wheel .
	@wheel=$$(ls .venv/wheel/*.whl) && $(REHEARSE)/bin/python -m pip install --quiet --disable-pip-version-check "$$wheel" \
	  && $(REHEARSE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$$wheel"
	@touch $@
