# make demo: environment, installation, then the main job.  make test: the same, then all tests.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

PEERS  := build/peers
TORCH  ?= 2.13.0

.PHONY: demo test check format lock soak bench bench-quick

demo: $(STAMP)
	$(BIN)/fedmeta run one_shot_attack

test: check
	$(BIN)/pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Up to an hour, on a machine that does nothing else; network namespaces and small disks need root.
soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak --write docs/RELIABILITY.md

# About an hour, on a machine that does nothing else; a look takes ten minutes. BlazeFL wants Python 3.12 and, with it,
# torch once more: where BLAZEFL names a Python for it, it is among those compared.
BLAZEFL ?=
WANTED  := $(PEERS)/flwr/.installed $(if $(BLAZEFL),$(PEERS)/blazefl/.installed)

bench: $(STAMP) $(WANTED)
	$(BIN)/python -m benchmarks measure

bench-quick: $(STAMP) $(WANTED)
	$(BIN)/python -m benchmarks measure --quick

# Those that we are compared with, each in an environment of its own. This one's release has what the benchmark calls.
$(PEERS)/flwr/.installed: Makefile
	rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'flwr[simulation]==1.41.*'
	@touch $@

# It trains with this project's own code, and the torch that is pinned for it.
$(PEERS)/blazefl/.installed: Makefile
	$(if $(BLAZEFL),,$(error BlazeFL wants a Python of its own: BLAZEFL=python3.12))
	rm -rf $(@D) && $(BLAZEFL) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'blazefl==2.0.*' torch==$(TORCH) .
	@touch $@

# The environment is made anew when what it is made from has changed.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "fedmeta needs Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Resolves pyproject.toml in an environment of its own and pins what came out. The libraries that torch brings
# along for a GPU follow from its version and from the system, so they are not pinned here.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]' torch==$(TORCH)
	{ sed -n '/^#/p' requirements.lock; build/lock/bin/python -m pip freeze --all --exclude fedmeta --exclude pip \
	  | grep -v -e '^nvidia-' -e '^triton' -e '^cuda-' | sed 's/+[a-z0-9.]*$$//'; } > build/requirements.lock
	mv build/requirements.lock requirements.lock
