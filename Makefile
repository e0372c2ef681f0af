# make demo   the whole way, from a video to a generated film      make help   everything else
PYTHON   ?= python3
PIP_ARGS ?=
VIDEO    ?=
OUT      ?=
WORKERS  ?= 2
PAGES    ?=
PORT     ?= 8888
APP      ?= runs/app
APP_ARGS ?=

VENV := .venv
BIN  := $(VENV)/bin
PY   := $(BIN)/python
PIP  := $(PY) -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OPENCV_FOR_THREADS_NUM=1
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
export VIDEO OUT

.DEFAULT_GOAL := help
.PHONY: help demo lab app book test test-all pages stale clean

help: ## this list
	@echo 'make TARGET [VARIABLE=value]'
	@grep -hE '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.-]+):.*## /  \1|/' | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'
	@echo 'Variables: PYTHON=python3.12  PIP_ARGS="options for pip"  WORKERS=2  CHROMIUM=/path/to/chromium'

demo: $(VENV)/.stamp ## train on a video and make its film in runs/demo [VIDEO=my.mp4] [OUT=folder]
	$(BIN)/v2v demo $(if $(VIDEO),--video "$$VIDEO") --out "$${OUT:-runs/demo}"

lab: $(VENV)/.stamp ## open the course in JupyterLab [PORT=8888]
	$(BIN)/jupyter-lab $(AS_ROOT) --port=$(PORT) nbs/index.ipynb

app: $(VENV)/.stamp ## serve the demos as web apps, without their code [PORT=8888]
	@mkdir -p "$(APP)" && rm -f "$(APP)"/*.ipynb
	@for page in $(wildcard nbs/00_quickstart.ipynb nbs/08_apps/*.ipynb); do cp $$page "$(APP)"; done
	@echo 'Demos: http://localhost:$(PORT)/ (Ctrl-C ends)'
	$(BIN)/voila "$(APP)" --port=$(PORT) --Voila.port_retries=0 --strip_sources=True --show_tracebacks=True $(APP_ARGS)

book: $(VENV)/.stamp ## the course and its reference as a web site in _book [OUT=folder]
	$(PY) -m v2v_tutorial.book --out "$${OUT:-_book}"

test: $(VENV)/.stamp ## every test and every page, 20 to 30 minutes on two cores
	$(ONE_THREAD) $(PY) -m pytest -n $(WORKERS)

test-all: $(VENV)/.stamp ## the slow tests too, and every page twice in one kernel
	$(ONE_THREAD) V2V_ALL_TWICE=1 $(PY) -m pytest -n $(WORKERS) -m ''

pages: $(VENV)/.stamp ## export, then run the stale pages at full length (or PAGES="nbs/..."), clean, README.md
	$(BIN)/nbdev-export
	$(PY) -m v2v_tutorial.pages pyproject
	$(PY) -m v2v_tutorial.pages run --full $(PAGES)
	$(BIN)/nbdev-clean
	$(PY) -m v2v_tutorial.pages readme

stale: $(VENV)/.stamp ## list the pages whose outputs are out of date
	@$(PY) -m v2v_tutorial.pages stale

clean: ## remove the environment and caches; films and models in runs/ stay
	rm -rf $(VENV) .cache .pytest_cache _book _proc build v2v_tutorial.egg-info
	find nbs v2v_tutorial tests -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# The environment. .unfinished stands from the first step to the last: an install that was cut short starts afresh,
# one that is complete is only brought up to date when the requirements change.
$(VENV)/.stamp: settings.ini pyproject.toml constraints.txt
	@command -v '$(PYTHON)' >/dev/null || { echo "make: '$(PYTHON)' not found: install Python 3.11 or newer, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3,11))' || { echo "make: Python 3.11 or newer is needed, '$(PYTHON)' is $$('$(PYTHON)' -V 2>&1 | cut -d' ' -f2): say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null || { echo "make: '$(PYTHON)' has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv) and run make again" >&2; exit 1; }
	@if [ ! -x $(PY) ] || [ -e $(VENV)/.unfinished ] || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo 'Making $(VENV) (a few minutes: PyTorch is large)'; rm -rf $(VENV); mkdir $(VENV); touch $(VENV)/.unfinished; \
	  '$(PYTHON)' -m venv $(VENV); fi
	@touch $(VENV)/.unfinished
	$(PIP) torch==$(shell sed -n 's/^torch==//p' constraints.txt)
	$(PIP) -e '.[dev]'
	@$(PY) -c 'import cv2' 2>/dev/null || { \
	  version=$$($(PY) -c 'from importlib.metadata import version; print(version("opencv-python"))') && \
	  echo "opencv-python $$version lacks a system library here; installing opencv-python-headless $$version in its place" && \
	  $(PY) -m pip uninstall -q -y opencv-python && $(PIP) --no-deps --force-reinstall opencv-python-headless==$$version && $(PY) -c 'import cv2'; }
	@rm -f $(VENV)/.unfinished
	@touch $@
