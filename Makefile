# Everything sets itself up in .venv; all it needs is Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: help install format check test chat test-chat test-langgraph test-ray bench bench-environments bench-short features fuzz fuzz-parsers soak faults test-live test-live-legacy test-pythons test-lowest test-newest demo notebooks docs docs-serve models record record-live wheel reproducible sdist-test audit clean

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 18

install: $(READY)  ## Create .venv with the package and all tools

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(call FRESH,$(PYTHON),.venv,constraints.txt,'.[$(WITH_MCP)]',dev)
	@touch $(READY)

format: $(READY)  ## Format the code
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

check: $(READY)  ## Lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(READY)  ## Run the tests on all cores; ARGS="-n 0 -k stream" some of them, on one
	$(BIN)/python -m pytest -n auto $(ARGS)

bench: bench-environments  ## Compare the speed with other integrations, and write tables and plots to build/bench/
	build/bench/env/bin/python -m tests.benchmarks --bin build/bench
	build/bench/env/bin/python -m tests.benchmarks.growth --bin build/bench

features: $(READY) bench-environments  ## Compare the features with other integrations, and print the table of docs/features.md; check docs/migrating_from_*.md
	@$(BIN)/python -m tests.benchmarks.features --bin build/bench
	MIGRATING_BIN=$(CURDIR)/build/bench $(BIN)/python -m pytest tests/test_migrating_from.py

bench-environments:
	@mkdir -p build/bench
	$(PYTHON) -m venv build/bench/env
	build/bench/env/bin/python -m pip install --quiet --constraint constraints.txt pip
	build/bench/env/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[agents,aiohttp]' --group bench
	$(PYTHON) -m venv build/bench/minimal
	build/bench/minimal/bin/python -m pip install --quiet .
	@$(PYTHON) -m venv build/bench/other && build/bench/other/bin/python -m pip install --quiet langchain-pollinations || \
	  { rm -rf build/bench/other; echo "The other package could not be installed; its column is left out."; }

bench-short: $(READY)  ## Fail if a ratio to the least possible chat model is 25 % worse than at the last release
	$(BIN)/python -m tests.benchmarks --short

fuzz: $(READY)  ## Try many more responses, histories and requests at random; FUZZ=500 examples of each
	FUZZ=$(or $(FUZZ),500) $(BIN)/python -m pytest tests/test_any_input.py tests/test_any_response.py \
	  tests/chat/test_histories.py tests/chat/test_fields.py tests/emulator/test_any_input.py $(ARGS)

# atheris is a package of machine code for some systems only, so it has an environment of its own.
FUZZ_TARGETS := response plain stream media boxes data_uri wav journal
FUZZ_SECONDS ?= 600

fuzz-parsers:  ## Fuzz each parser with atheris for FUZZ_SECONDS=600; FUZZ_TARGETS="stream wav" only some
	@set -e; mkdir -p build/fuzz; \
	  $(call FRESH,$(PYTHON),build/fuzz-env,constraints.txt,'.[$(EXTRAS)]' atheris,test); \
	  for target in $(FUZZ_TARGETS); do build/fuzz-env/bin/python -m tests.fuzz $$target $(FUZZ_SECONDS); done

soak: $(READY)  ## Send mixed traffic with faults to an emulator for half an hour; SOAK=60 seconds
	$(BIN)/python -m tests.soak $(or $(SOAK),1800)

faults: $(READY)  ## Run the fault matrix and rewrite its page in docs/; FAULTS=all runs each fault with every way to call
	$(BIN)/python scripts/fault_table.py
	FAULTS=$(FAULTS) $(BIN)/python -m pytest -n auto tests/faults $(ARGS)

test-live: $(READY)  ## Ask the service itself, for a little pollen; needs POLLINATIONS_API_KEY
	@test -n "$$POLLINATIONS_API_KEY" || { echo "test-live asks the service: set POLLINATIONS_API_KEY"; exit 1; }
	POLLINATIONS_LIVE_KEY=$$POLLINATIONS_API_KEY $(BIN)/python -m pytest tests/live --force-enable-socket

test-live-legacy: $(READY)  ## Send requests to the two legacy hosts, without a key; takes some minutes
	POLLINATIONS_LIVE_LEGACY=1 $(BIN)/python -m pytest tests/live --force-enable-socket

# test-lowest runs without the extra mcp, which needs a later pydantic than the lowest that we allow. test-pythons runs
# with LangChain's own MCP adapter, which needs a later mcp than this extra.
EXTRAS := agents,aiohttp,emulator
WITH_MCP := $(EXTRAS),mcp
WITH_RAY := $(EXTRAS),ray

PYTHONS ?= python3.11 python3.12 python3.13

test-pythons:  ## Run the tests on several Pythons; PYTHONS="path path" names others
	@set -e; for python in $(PYTHONS); do \
	  $$python --version; \
	  home=build/$$($$python -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
	  $(call FRESH,$$python,$$home,constraints.txt,'.[$(EXTRAS)]' 'langchain[mcp]',test); \
	  $(call TEST,$$home); \
	done

test-lowest:  ## Run the tests with the lowest version of each direct dependency that we allow
	@set -e; mkdir -p build; \
	  { cat constraints.txt; $(PYTHON) scripts/lowest.py pyproject.toml; } > build/lowest.txt; \
	  $(call FRESH,$(PYTHON),build/lowest,build/lowest.txt,'.[$(EXTRAS)]',test); \
	  $(call TEST,build/lowest)

test-newest:  ## Run the tests with the newest version of everything, the tools included
	@set -e; mkdir -p build; : > build/newest.txt; \
	  $(call FRESH,$(PYTHON),build/newest,build/newest.txt,'.[$(WITH_MCP)]',test); \
	  $(call TEST,build/newest)

chat:  ## Open a chat page with an agent, on the emulator or with POLLINATIONS_API_KEY on the service; ARGS="--port 7861"
	@mkdir -p build
	@$(PYTHON) -m venv build/chat
	@build/chat/bin/python -m pip install --quiet --constraint constraints.txt pip
	@build/chat/bin/python -m pip install --quiet --editable '.[agents,emulator]' gradio
	@build/chat/bin/python examples/chat_app.py $(ARGS)

# One environment for the examples with a page or a server.
APPS := gradio playwright fastapi streamlit 'langgraph-cli[inmem]' langchain-classic

build/apps/ready: pyproject.toml constraints.txt
	@mkdir -p build
	$(call FRESH,$(PYTHON),build/apps,constraints.txt,'.[$(EXTRAS)]' $(APPS),test)
	@touch $@

test-chat: build/apps/ready  ## Test the chat page in Chromium, and the examples for FastAPI and Streamlit
	$(call TEST,build/apps) tests/test_web_apps.py $(ARGS)

test-langgraph: build/apps/ready  ## Test the example for LangGraph's server, with two users and a restart
	$(call TEST,build/apps) tests/test_langgraph_app.py $(ARGS)

test-ray:  ## Kill workers of the example for Ray, on a local cluster, and run its notebook; ROWS=2000 more rows
	@set -e; mkdir -p build; \
	  $(call FRESH,$(PYTHON),build/ray,constraints.txt,'.[$(WITH_RAY)]',dev); \
	  $(call TEST,build/ray) -s -o faulthandler_timeout=1800 tests/test_scale_out.py; \
	  $(call TEST,build/ray) tests/test_examples.py -k scale_out -m once

# $(call FRESH,python,folder,constraints,requirements,group): an environment with the package and a dependency group.
FRESH = $(1) -m venv $(2) && \
	  $(2)/bin/python -m pip install --quiet --constraint $(3) pip && \
	  $(2)/bin/python -m pip install --quiet --constraint $(3) --editable $(4) --group $(5)

# $(call TEST,folder): the tests in such an environment, which share no folder that they write with others. Tests with
# the marker `once` run only in `make test`.
TEST = HYPOTHESIS_STORAGE_DIRECTORY=$(CURDIR)/$(1)/hypothesis $(1)/bin/python -m pytest -p no:cacheprovider -m "not once"

demo: $(READY)  ## Let an agent tell an illustrated story, and write build/illustrating_agent.html
	$(BIN)/python scripts/notebooks.py notebooks/illustrating_agent.ipynb

notebooks: $(READY)  ## Execute every notebook but that of Ray, and write the pages to build/
	$(BIN)/python scripts/notebooks.py $(filter-out %/scale_out.ipynb,$(wildcard notebooks/*.ipynb notebooks/recipes/*.ipynb))

# Zensical, mkdocstrings and Playwright have an environment of their own, without the package, which they read as text.
# A notebook is executed again if it has changed. That of Ray is not executed, because .venv does not contain Ray.
DOCS_ENV := build/docs-env
NOTEBOOK_PAGES = $(patsubst %.ipynb,build/docs-notebooks/%.html,$(notdir $(shell find notebooks -name '*.ipynb')))
vpath %.ipynb $(shell find notebooks -type d)

docs: $(DOCS_ENV)/ready $(NOTEBOOK_PAGES)  ## Build the documentation in build/site, and open its pages in Chromium
	$(DOCS_ENV)/bin/python scripts/site.py
	$(DOCS_ENV)/bin/python scripts/check_site.py $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

docs-serve: docs  ## Serve build/site at http://127.0.0.1:8000
	$(DOCS_ENV)/bin/python -m http.server --bind 127.0.0.1 --directory build/site 8000

$(DOCS_ENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS_ENV)
	$(DOCS_ENV)/bin/python -m pip install --quiet --constraint constraints.txt pip
	$(DOCS_ENV)/bin/python -m pip install --quiet --constraint constraints.txt --group docs
	@touch $@

build/docs-notebooks/%.html: %.ipynb | $(READY)
	env -u POLLINATIONS_API_KEY $(BIN)/python scripts/notebooks.py --to build/docs-notebooks $(if $(findstring scale_out,$@),--no-run) $<

models: $(READY)  ## Rewrite the snapshot of the models from the service's list; FILE=answer.json from a saved one
	$(BIN)/python scripts/refresh_models.py $(FILE)

# The benchmark among the recorded tests does not run while it records, and says so.
RECORD := -m vcr --record-mode=rewrite -W "ignore:Benchmark fixture was not used"

record: $(READY)  ## Record the cassettes anew, against the emulator
	$(BIN)/python -m pytest $(RECORD)

record-live: $(READY)  ## Record them against the service, into a folder of their own; needs POLLINATIONS_API_KEY
	@test -n "$$POLLINATIONS_API_KEY" || { echo "record-live asks the service: set POLLINATIONS_API_KEY"; exit 1; }
	POLLINATIONS_RECORD=live POLLINATIONS_LIVE_KEY=$$POLLINATIONS_API_KEY \
	  $(BIN)/python -m pytest $(RECORD) --force-enable-socket

wheel: $(READY)  ## Build the wheel into dist/
	$(BIN)/python -m build --wheel

reproducible: $(READY)  ## Build the wheel and the sdist twice, compare them, and write them to dist/
	$(BIN)/python scripts/check_build.py dist

# The contract is not in the sdist, and is not needed for these tests.
SDIST_TESTS := tests/test_public.py tests/test_cassettes.py tests/test_standard.py tests/emulator/test_contract.py tests/legacy/test_migrating.py

sdist-test: $(READY)  ## Run tests from the unpacked sdist; ARGS="tests" runs all
	rm -rf build/sdist
	$(BIN)/python -m build --sdist --outdir build/sdist
	$(BIN)/python -m tarfile -e build/sdist/*.tar.gz build/sdist
	cd build/sdist/*/ && PYTHONPATH=$$PWD $(abspath $(BIN))/python -m pytest -n auto -p no:cacheprovider $(or $(ARGS),$(SDIST_TESTS))

# pip-audit has an environment of its own, so that its dependencies are not audited. --strict: a package that the
# vulnerability service does not know is an error.
audit: $(READY)  ## Look for known vulnerabilities in the packages of .venv; asks a vulnerability service
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > build/audit.txt
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement build/audit.txt

clean:  ## Remove what the other targets made
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
