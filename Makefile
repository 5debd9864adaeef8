# Two commands: `make demo` and `make test`. Both first make .venv with everything installed, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ENGINE := $(shell find csrc cmake -name '*.cmake' -o -name '*.h' -o -name '*.cpp' -o -name '*.cu')

.PHONY: demo test test-slow test-emulated lint sign flavours sanitize fuzz soak docs bench clean

demo: $(STAMP)
	$(BIN)/mesasim run bandit-learning --out runs/demo --overwrite

test: $(STAMP) test-emulated
	$(BIN)/pytest -n auto --dist worksteal

# What takes longer than a few seconds each: Ray, kills at random moments, starts of whole processes.
test-slow: $(STAMP)
	$(BIN)/pytest -n auto --dist worksteal -m slow

# The CUDA kernels, compiled for the CPU and run there thread by thread (csrc/emulator): the tests of what they do, with
# lanes in one order and then in the other.
EMULATED := build/emulated
EMULATED_CORE := $(EMULATED)/_core$(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
EMULATED_TESTS := tests/test_signature.py tests/cuda tests/test_contract.py -k "not thread"
test-emulated: $(EMULATED_CORE)
	MESASIM_TEST_CORE=$(EMULATED_CORE) $(BIN)/pytest -n auto --dist worksteal $(EMULATED_TESTS)
	MESASIM_TEST_CORE=$(EMULATED_CORE) MESASIM_EMULATED_ORDER=descending $(BIN)/pytest -n auto --dist worksteal $(EMULATED_TESTS)

$(EMULATED_CORE): $(STAMP)
	$(BIN)/cmake -S . -B $(EMULATED) -DMESASIM_CUDA=EMULATED -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir)
	$(BIN)/cmake --build $(EMULATED) --parallel $$($(PYTHON) -c 'import os; print(os.cpu_count())')
	touch $@

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

sanitize: $(STAMP)  # the engine's threads and kept inputs under address, undefined and thread sanitizers; QUICK=1: as CI does
	$(BIN)/python bench/sanitize.py $(if $(QUICK),--quick)

fuzz: $(STAMP)  # ten minutes over all readers; needs clang, and atheris: pip install -e '.[fuzz]'
	$(BIN)/python fuzz/run.py --minutes 10

soak: $(STAMP)
	$(BIN)/python bench/soak.py --minutes 10

docs: $(STAMP)
	$(BIN)/mesasim list --markdown > docs/worlds.md
	$(BIN)/python docs/figures.py

bench: $(STAMP)
	$(BIN)/mesasim bench step
	$(BIN)/mesasim bench mazes

clean:
	rm -rf $(VENV) build dist
