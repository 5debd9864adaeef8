# Two commands: `make demo` and `make test`. Both first make .venv with everything installed, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := $(shell find csrc mesasim -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.py') CMakeLists.txt

.PHONY: demo test dev lint sign sanitize flavours docs bench clean

demo: $(STAMP)
	$(BIN)/mesasim run bandit-learning --out runs/demo --overwrite

test: $(STAMP)
	$(BIN)/pytest -n auto --dist worksteal

# The package and all its tools; made again when the sources or the pins change.
$(STAMP): pyproject.toml constraints.txt $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt '.[dev]'
	touch $@

dev: $(STAMP)  # an editable install: Python changes are seen at once, C++ changes at the next import
	$(BIN)/python -m pip install --quiet --constraint constraints.txt scikit-build-core pybind11 cmake ninja
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -C editable.rebuild=true -C build-dir=build/editable -e .

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu')

sign: $(STAMP)  # after a change of rules; the commit says which signature changed and why
	$(BIN)/mesasim sign

flavours: $(STAMP)  # the same signatures from -O0, -O3, clang and sanitizer builds
	$(BIN)/python bench/flavours.py

docs: $(STAMP)
	$(BIN)/mesasim list --markdown > docs/worlds.md

bench: $(STAMP)
	$(BIN)/mesasim bench step

clean:
	rm -rf $(VENV) build dist
