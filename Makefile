# make demo   try everything on a simulated study (installs what it needs; under 10 minutes on 2 cores)
# make test   the whole test suite
# make lint   ruff and mypy --strict
# make docs   the documentation as HTML, in docs/_build/html
# make setup  install for development, with the pre-commit hooks
# make clean  remove the environment and everything built

PYTHON ?= python3
VENV ?= .venv
BFRB_DATA ?= ../shared/data
DEMO ?= demo

export PYTHONUTF8 = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

RUN := $(VENV)/bin/python
BFRB := $(VENV)/bin/bfrb
REAL := $(wildcard $(BFRB_DATA)/cmi/test.csv)
INSTALL := $(RUN) -m pip install -qq --constraint constraints.txt --editable
PINNED := pyproject.toml constraints.txt

.PHONY: demo test lint docs setup clean

demo: $(VENV)/.installed-train
	@rm -rf '$(DEMO)/study' '$(DEMO)/new' '$(DEMO)/model' '$(DEMO)/model.report.html' && mkdir -p '$(DEMO)'
	$(BFRB) simulate '$(DEMO)/study' --subjects 12 --seed 1
	$(BFRB) train '$(DEMO)/study' --out '$(DEMO)/model' --preset quick
	$(BFRB) evaluate '$(DEMO)/model'
ifeq ($(REAL),)
	$(BFRB) simulate '$(DEMO)/new' --subjects 1 --seed 2
endif
	$(BFRB) predict '$(DEMO)/model' '$(or $(REAL),$(DEMO)/new)' --out '$(DEMO)/predictions.csv' --overwrite
	@echo
	@echo 'Done. The scores above are of SIMULATED recordings: they show that everything works, not how well.'
	@echo '  study        $(DEMO)/study/'
	@echo '  model        $(DEMO)/model/'
	@echo '  predictions  $(DEMO)/predictions.csv   (of $(or $(REAL),$(DEMO)/new))'
	@echo '  report       $(DEMO)/model.report.html   open it in a browser: how good, on whom it fails'
	@echo 'Next: $(BFRB) --help'

# One thread a process: the tests run side by side, and their networks are small. Files mostly stay with one of the two,
# which then makes what their tests share once.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/.installed-dev
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

docs: $(VENV)/.installed-docs
	$(RUN) -m sphinx --fail-on-warning --keep-going -b html docs docs/_build/html

setup: $(VENV)/.installed-dev
	$(RUN) -m pre_commit install

clean:
	rm -rf '$(VENV)' '$(DEMO)' docs/_build build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp is as new as the last complete installation, so a repeated run installs nothing.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "bfrb needs Python 3.11 to 3.13, found: $$($(PYTHON) --version 2>&1). To do: make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -m venv '$(VENV)'
	@touch $@

$(VENV)/.installed-train: $(PINNED) | $(VENV)/.created
	@echo "Installing bfrb[train,report] into $(VENV), a minute or two ..."
	@$(INSTALL) '.[train,report]'
	@touch $@

$(VENV)/.installed-dev: $(PINNED) | $(VENV)/.created
	@echo "Installing bfrb[train,report,view,http,kaggle,stream,keras,devices,dev] into $(VENV), a minute or two ..."
	@$(INSTALL) '.[train,report,view,http,kaggle,stream,keras,devices,dev]'
	@touch $@ $(VENV)/.installed-train

$(VENV)/.installed-docs: $(PINNED) | $(VENV)/.created
	@echo "Installing bfrb[train,report,view,http,kaggle,stream,keras,devices,cluster,docs] into $(VENV), a minute or two ..."
	@$(INSTALL) '.[train,report,view,http,kaggle,stream,keras,devices,cluster,docs]'
	@touch $@ $(VENV)/.installed-train
