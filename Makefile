# Every target sets up what it needs, once and again when its requirements change. Needs Python 3.11, pip and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
UV := .venv-uv/bin/uv
# What `make demo` and `make up` need; tests and checks need DEV instead, which holds all of it.
LOCAL := .venv/local.stamp
DEV := .venv/dev.stamp
CLOUD := .venv-cloud/cloud.stamp
NAME := $(if $(RUN),--name $(RUN))

# The two environments are installed side by side.
MAKEFLAGS += --jobs=2

.PHONY: help demo bench-plan bench-fairness drill up down test fuzz simulate mutants model verify-report check states format package token rotate lock
.DELETE_ON_ERROR:

help:
	@echo 'make demo [INPUT=folder]   both Regions up, files through them, everything compared; needs nothing else'
	@echo 'make up [RUN=name]         both Regions up in the background, for aws, rclone or curl; prints how'
	@echo 'make down [RUN=name]       take them down'
	@echo 'make token [RUN=name]      a bearer token for them'
	@echo 'make rotate [RUN=name]     a new signing key for their token issuer'
	@echo 'make drill [CASE=b] [SCALE=1] [SEED=n] [TIMES=n]  a Region dies in mid-work; checks every promise, out/drill.html'
	@echo 'make test [ARGS=...]       every test; ARGS go to pytest'
	@echo 'make fuzz [CASES=10000] [SEED=n]  generated requests, every answer held against /openapi.json; out/fuzz.json'
	@echo 'make simulate [SEEDS=n] [SEED=n]  both Regions on a virtual clock, faults at every call; SEED replays one'
	@echo 'make mutants               plants bugs into the product and sees each of them found'
	@echo 'make model                 the protocol, checked exhaustively by Spin; out/model.json'
	@echo 'make bench-fairness        a tenant with little work beside one with a lot, with and without fairness'
	@echo 'make verify-report FILE=receipts CHAIN=hash [REPORT=file]  receipts and report of a job against its hash chain'
	@echo 'make bench-plan [KEYS=100000]  a plan of many keys on the local cloud: time, memory, truth; out/plan.json'
	@echo 'make check                 lint, formatting, types, import rules, sizes, docs/states.md'
	@echo 'make states                write docs/states.md from the tables of the life cycles'
	@echo 'make format                format the code'
	@echo 'make package               the zip and the template for AWS, in out/package/'
	@echo 'make lock                  pin the requirements anew'

# By the environment: a path may hold any character.
demo: export EFT_DEMO_INPUT := $(INPUT)
demo: $(LOCAL) $(CLOUD)
	@$(PY) -m local.demo $(if $(INPUT),--input "$$EFT_DEMO_INPUT") $(ARGS)

drill: $(LOCAL) $(CLOUD)
	@$(PY) -m local drill $(if $(CASE),--case $(CASE)) $(if $(SCALE),--scale $(SCALE)) $(if $(SEED),--seed $(SEED)) $(if $(TIMES),--times $(TIMES))

up: $(LOCAL) $(CLOUD)
	@$(PY) -m local up $(NAME)

down: $(LOCAL)
	@$(PY) -m local down $(NAME)

token: $(LOCAL)
	@$(PY) -m local token $(NAME)

rotate: $(LOCAL)
	@$(PY) -m local rotate $(NAME)

package: $(LOCAL)
	@$(PY) -m local package

test: $(DEV) $(CLOUD)
	@$(PY) -m pytest $(ARGS)

fuzz: $(DEV)
	@$(PY) -m tests.fuzz $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

simulate: $(DEV)
	@$(PY) -m simulation simulate $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: $(DEV)
	@$(PY) -m simulation mutants $(ARGS)

model: $(LOCAL)
	@$(PY) -m simulation.model $(ARGS)

bench-fairness: $(LOCAL) $(CLOUD)
	@$(PY) -m benchmarks.fairness $(ARGS)

# By the environment, as above. REPORT ends in .csv or .ndjson.
verify-report: export EFT_RECEIPTS := $(FILE)
verify-report: export EFT_REPORT := $(REPORT)
verify-report: $(LOCAL)
	@test -n "$$EFT_RECEIPTS" || { echo 'make verify-report FILE=receipts CHAIN=hash: which receipts, and the head of which chain?' >&2; exit 2; }
	@$(PY) -m tools.verify_report "$$EFT_RECEIPTS" --chain '$(CHAIN)' $(if $(REPORT),--report "$$EFT_REPORT")

bench-plan: $(LOCAL) $(CLOUD)
	@$(PY) -m benchmarks.plan $(if $(KEYS),--keys $(KEYS))

check: $(DEV)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	PYTHONPATH=. .venv/bin/lint-imports
	$(PY) -m tools.sizes
	@$(PY) -m tools.states --check

states: $(DEV)
	@$(PY) -m tools.states

format: $(DEV)
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# uv in an environment of its own, so that what it brings is nobody's requirement.
LOCK := $(UV) pip compile --quiet --strip-extras --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make lock'
lock: $(UV)
	$(LOCK) --output-file requirements/uv.txt requirements/uv.in
	$(LOCK) --output-file requirements.txt requirements/runtime.in
	$(LOCK) --output-file requirements/local.txt requirements/local.in
	$(LOCK) --output-file requirements/dev.txt requirements/dev.in
	$(LOCK) --output-file requirements/cloud.txt requirements/cloud.in

# Chalice packages for the Python that runs it, and the functions run on 3.11.
$(UV): requirements/uv.txt
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo 'Python 3.11 is needed, and $(or $(PYTHON),python3) is not it: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@'$(PYTHON)' -m venv .venv-uv
	@.venv-uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(LOCAL): requirements/local.txt | $(UV)
	@echo 'Setting up .venv'
	@$(call install,.venv)

$(DEV): requirements/dev.txt requirements/local.txt | $(UV)
	@echo 'Setting up .venv for tests and checks'
	@$(call install,.venv)
	@touch $(LOCAL)

$(CLOUD): requirements/cloud.txt | $(UV)
	@echo 'Setting up .venv-cloud (the AWS emulator)'
	@$(call install,.venv-cloud)

# No index of the machine's own configuration, and no other file than the one whose hash is locked. Byte code is compiled
# here: uv leaves that to the first import, and where PYTHONDONTWRITEBYTECODE is set, every process would compile all of
# it again (3.3 s instead of 1.9 s to import the product, and more for a cold start in the local cloud).
define install
test -x $(1)/bin/python || $(UV) venv --quiet --no-python-downloads --python '$(PYTHON)' $(1)
@$(UV) pip install --quiet --compile-bytecode --python $(1)/bin/python --require-hashes -r $<
@touch $@
endef
