# make install   a virtual environment in .venv, exact versions, the embedded model fetched
# make demo      the whole story on the embedded default
# make check     lint, format, types, import directions (what CI and pre-commit run)
# make test      the fast set, then the set on the embedded model and real data
# make bench     the side-by-side measurements of benchmarks/
# make docs      the pages of docs/ that are made from the code

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODEL_STAMP := $(VENV)/.model-fetched
MODEL := smollm2-135m-q4
# Two BLAS threads a process are as many as small machines have; a caller may say otherwise.
OMP_NUM_THREADS ?= 2
export OMP_NUM_THREADS

.PHONY: install demo test check bench docs clean

install: $(MODEL_STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make install PYTHON=python3.12")'
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,neo4j]'
	touch $@

$(MODEL_STAMP): $(STAMP)
	$(BIN)/accord model fetch $(MODEL)
	touch $@

demo: install
	$(BIN)/accord demo --out demo-out

check: $(STAMP)
	scripts/check

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile
	$(BIN)/python -m pytest -m real_model

bench: install
	scripts/bench

docs: $(STAMP)
	$(BIN)/python scripts/generate_cli_docs.py

clean:
	rm -rf $(VENV) demo-out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
