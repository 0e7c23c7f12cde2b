# Two commands: `make demo` and `make test`; each sets up what it needs.
PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
LAB_TESTS := tests/lab tests/prefecture tests/kernel
DEBIAN_PACKAGES := debootstrap systemd-container python3-venv iproute2 openssh-client
SERVER_PACKAGES := maven openjdk-17-jre-headless # fetch and run Elasticsearch
MACHINE_PACKAGES := qemu-system-x86 e2fsprogs openssl # a terminal with a kernel of its own

# Install those of $(1) that are missing.
define install
@missing=""; for package in $(1); do \
  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
if [ -n "$$missing" ]; then \
  echo "installing:$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
endef

.PHONY: setup demo lint test test-lab test-here test-kills bench elasticsearch lock clean
setup: $(VENV)/.ready

$(VENV)/.ready: requirements/develop.txt pyproject.toml | debian
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/develop.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.PHONY: debian server
debian:
	$(call install,$(DEBIAN_PACKAGES))

server:
	$(call install,$(SERVER_PACKAGES))

.PHONY: machine
machine:
	$(call install,$(MACHINE_PACKAGES))

# Elastic's own client, with which the collector is tested, is built by Go.
.PHONY: go
go:
	@command -v go >/dev/null || test -x /usr/local/go/bin/go || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go; }

# STORE=elasticsearch: the events go to three nodes of the lab.
demo: setup $(if $(filter elasticsearch,$(STORE)),server)
	$(BIN)/python tools/demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	ANSIBLE_CONFIG=playbooks/ansible.cfg $(BIN)/ansible-lint playbooks

# The lab waits for most of its time, for timers and for ssh: the rest of the tests runs beside it.
test: setup server machine go
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-lab test-here

# Two labs at once, files shared out between them: where one waits the other works.
test-lab: setup server machine
	$(BIN)/pytest -m "not kills" --numprocesses=2 --dist=loadfile $(LAB_TESTS)

# Its output comes in one piece when it is done, so that the lab's can be read meanwhile.
test-here: setup server go
	@mkdir -p build
	@$(BIN)/pytest -m "not kills" $(LAB_TESTS:%=--ignore=%) tests >build/test-here.txt 2>&1; \
	  code=$$?; echo; cat build/test-here.txt; exit $$code

# A hundred kills at random moments; hours. Run before a release.
test-kills: setup server
	$(BIN)/pytest -m kills -s

# What a wave, and taking events in, cost beside the plain tools: ratios, in one run.
bench: setup server
	$(BIN)/python tests/bench/ingest.py
	$(BIN)/python tests/bench/detect.py
	$(BIN)/python tests/bench/watch.py
	$(BIN)/python tests/bench/watch_nodes.py
	$(BIN)/python tests/bench/wave.py
	$(BIN)/python tests/bench/ship_elastic.py

# One node of Elasticsearch on loopback, for a developer; prints its address, user, password file and CA.
elasticsearch: setup server
	$(BIN)/python tests/elastic/cluster.py

lock:
	uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --universal \
	  --no-annotate --custom-compile-command "make lock" requirements/runtime.in -o requirements/runtime.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --universal \
	  --no-annotate --custom-compile-command "make lock" requirements/develop.in -o requirements/develop.txt

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
