# make run · make test · make test-slow · make check · make bench · make bench-peers · make lock
# With another Python: make run PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
PEERS = .venv-peers
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
LOCKED = $(PIP) --require-hashes --only-binary :all:
SELF = $(PIP) --no-deps --no-build-isolation --editable .

.PHONY: run test test-slow check bench bench-peers lock servers
.NOTPARALLEL:

run: $(VENV)/run.done
	@echo "Change something in examples/acme/users.csv, save it, and see it arrive. The target is var/app.db."
	$(VENV)/bin/usersyncd -c config.example.yaml run

# Two workers, each with servers of its own: the one that has finished takes tests from the other.
test: servers $(VENV)/ldap.done
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal

test-slow: servers $(VENV)/ldap.done
	$(VENV)/bin/python -m pytest -m slow

check: $(VENV)/test.done
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_imports.py

# Some of them, the second with 5,000 people: make bench ONLY="first_sync ldap_pull=5000"
bench: servers $(VENV)/ldap.done
	$(VENV)/bin/python -m benchmarks $(ONLY)

# Installs what benchmarks compare with into an environment of its own. What cannot be had is skipped.
bench-peers:
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	  -r requirements/peers.txt || { rm -rf $(PEERS); echo "dlt cannot be installed here: make bench skips it"; }

# Brings requirements/ up to date with pyproject.toml; UPGRADE=--upgrade takes the newest versions too.
lock:
	PYTHON=$(PYTHON) requirements/lock.sh $(UPGRADE)

servers:
	@tests/servers/install.sh

$(VENV)/made.done:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "usersyncd needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -1). Name another: make PYTHON=python3.13"; exit 1; }
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.done: requirements/build.txt requirements/run.txt pyproject.toml | $(VENV)/made.done
	@$(LOCKED) -r requirements/build.txt -r requirements/run.txt
	@$(SELF)
	@touch $@

$(VENV)/test.done: requirements/test.txt pyproject.toml | $(VENV)/made.done
	@$(LOCKED) -r requirements/test.txt
	@$(SELF)
	@touch $@

# python-ldap has no wheel. Where it cannot be built, the tests of ldap are skipped.
$(VENV)/ldap.done: requirements/ldap.txt $(VENV)/test.done
	@$(PIP) --require-hashes --no-build-isolation -r requirements/ldap.txt && touch $@ || \
	  echo "python-ldap cannot be built here (it needs gcc, libldap-dev, libsasl2-dev and Python's headers): the tests of ldap are skipped"
