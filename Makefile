# Two commands: `make demo` and `make test`. Both first make .venv with everything installed, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ENGINE := $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu')

.PHONY: demo test lint sign flavours docs bench clean

demo: $(STAMP)
	$(BIN)/mesasim run bandit-learning --out runs/demo --overwrite

test: $(STAMP)
	$(BIN)/pytest -n auto --dist worksteal

# The package, in place (Python changes are seen at once), and all its tools; made again when the engine's sources or the
# pins change.
$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(ENGINE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu')

sign: $(STAMP)  # after a change of rules; the commit says which signature changed and why
	$(BIN)/mesasim sign

flavours: $(STAMP)  # the same signatures from -O0, -O3, clang and sanitizer builds
	$(BIN)/python bench/flavours.py

docs: $(STAMP)
	$(BIN)/mesasim list --markdown > docs/worlds.md
	$(BIN)/python docs/figures.py

bench: $(STAMP)
	$(BIN)/mesasim bench step
	$(BIN)/mesasim bench mazes

clean:
	rm -rf $(VENV) build dist
