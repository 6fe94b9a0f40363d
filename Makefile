# make reproduce   set up this machine and run the whole experiment
# make test        set up this machine and run every test, those with a real guest too
# make check       linters, types, unit tests, C tests under sanitizers: no guest, under 2 minutes
# make whole       the tests that draw, pack, install or run the whole, no guest either: a few minutes
# make survival    runs killed, starved and disturbed on a real guest, as often as they are meant to be (an hour)
# make images      image and warm snapshot that the tests start from
# make conditions  one cell of most controls and peers, and of some of the sweep, on a real guest (half an hour)
# make fuzz        the prefetcher's parsers against nonsense, a minute each
# make setup       only set up; make clean removes what was built (not results, not the cache)
#
# The steps of a night (.github/workflows/nightly.yml), which run by hand, too; REPLICATES=1 makes it a short one:
# make kvm              image and warm snapshots of the default suite, on KVM or not at all
# make nightly-run      the default suite: REPLICATES=10, ACCEL=auto (kvm, tcg), CACHE_GB=30 (older images go); that some
#                       cells do not count is for the comparison to judge
# make nightly-compare  the latest run against last-good, and against accepted, from which nothing is to drift away night
#                       by night; fails on a regression, a flipped claim, or what cannot be told any more. As long as none
#                       was kept, against reference, for a flipped claim alone: that is another machine's.
#                       A summary in Markdown goes to GITHUB_STEP_SUMMARY, or to the terminal
# make nightly-bundle   the latest run with report, tables and evidence, packed: build/nightly/, which is made anew
# make nightly-good     what was packed is the last good run from now on: results/last-good; with ACCEPT=yes, or as long
#                       as there is none, results/accepted, too
# make growth           how time, disk and report grow with a run's cells, without a guest; fails if a bar is missed
#
# PAGING_CACHE=DIR says where images and snapshots are, for run.py and the tests (.cache in a checkout of one's own).

PYTHON := .venv/bin/python
# The user's own settings of Python and pytest are for the user's own programs.
unexport PYTHONHOME PYTHONPATH PYTHONUSERBASE PYTHONSTARTUP PYTHONPLATLIBDIR PYTHONWARNINGS PYTHONOPTIMIZE
unexport PYTEST_ADDOPTS PYTEST_PLUGINS
C_PARTS := guest_c workloads/alpha measure prefetch peers
KVM := /dev/kvm
BUNDLE := build/nightly

REPLICATES ?= 10
ACCEL ?= auto
CACHE_GB ?= 30
ACCEPT ?=
WORKERS ?= auto
COMMA := ,
KEPT = $(patsubst results/%/plan.json,%,$(wildcard results/last-good/plan.json results/accepted/plan.json))
ONE_RUN = $(shell cmp -s results/last-good/plan.json results/accepted/plan.json && echo accepted)
GOOD ?= $(or $(filter-out $(ONE_RUN),$(KEPT)),reference)
FAIL_ON ?= flipped-claim$(if $(filter reference,$(GOOD)),,$(COMMA)regression$(COMMA)lost)

.PHONY: reproduce test guest-tests guest-forks forks-and-fuzz images check whole fuzz lint setup programs bench
.PHONY: survival conditions clean host
.PHONY: kvm nightly-run nightly-compare nightly-bundle nightly-good growth

reproduce: setup
	$(PYTHON) run.py

test: check
	@$(MAKE) --no-print-directory -j2 images beside-whole WORKERS=1
	@$(MAKE) --no-print-directory -j2 guest-tests beside-forks-and-fuzz

# What it says is shown once it is over.
beside-%:
	@mkdir -p build
	@$(MAKE) --no-print-directory $* > build/$*.log 2>&1; status=$$?; cat build/$*.log; exit $$status

guest-tests: setup
	$(PYTHON) -m pytest -m "guest and not forks" --durations 10

guest-forks: setup
	$(PYTHON) -m pytest -m forks --durations 10

# The other guests are still at work, and sleep for the most part.
forks-and-fuzz: guest-forks
	@$(MAKE) --no-print-directory fuzz

images: setup
	$(PYTHON) run.py --quick prepare

check: setup lint
	$(PYTHON) -m pytest -m "not guest and not whole" -n auto --dist loadfile

whole: setup
	$(PYTHON) -m pytest -m whole -n $(WORKERS) --dist loadfile -q

survival: setup
	PAGING_SURVIVAL=1 $(PYTHON) -m pytest --durations=0 \
		tests/guest/test_trouble_guest.py tests/guest/test_debugging_guest.py tests/guest/test_survival_guest.py \
		tests/guest/test_distributed_guest.py tests/experiment/commands/test_hostile_commands.py

conditions: setup
	PAGING_CONDITIONS=1 $(PYTHON) -m pytest --durations=0 tests/guest/test_conditions_guest.py

fuzz: setup
	@$(MAKE) --no-print-directory --silent -C prefetch fuzz

lint: setup
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

bench: setup
	$(PYTHON) run.py bench

# A continuous integration's runner may give the device to its group kvm alone; nobody else's device is opened to all.
# Whether a kernel boots on it, run.py tries: the device alone says nothing.
kvm: setup
	@test -w $(KVM) || { test -n "$$CI" && sudo --non-interactive chmod a+rw $(KVM) 2>/dev/null; } || \
		{ echo "kvm: $(KVM) is not there, or not this user's to open (group kvm)" >&2; exit 3; }
	$(PYTHON) run.py --accel kvm prepare

nightly-run: setup
	$(PYTHON) run.py --accel $(ACCEL) --replicates $(REPLICATES) --cache-limit $(CACHE_GB) || test $$? -eq 1

nightly-compare: setup
	@status=0; for good in $(GOOD); do \
		$(PYTHON) run.py compare $$good latest --fail-on $(FAIL_ON) --summary "$${GITHUB_STEP_SUMMARY:--}" || status=1; \
	done; exit $$status

# First what an image left that could not be built: then there is no run.
nightly-bundle: setup
	rm -rf "$(BUNDLE)"
	mkdir -p "$(BUNDLE)"
	cp "$${PAGING_CACHE:-.cache}"/*.failed.log "$(BUNDLE)" 2>/dev/null || true
	$(PYTHON) run.py pack latest "$$PWD/$(BUNDLE)/run"

nightly-good:
	@test -f "$(BUNDLE)/run/plan.json" || { echo "nightly-good: first make nightly-bundle" >&2; exit 1; }
	for kept in last-good $(if $(ACCEPT)$(if $(filter accepted,$(KEPT)),,new),accepted); do \
		rm -rf results/$$kept && cp -r "$(BUNDLE)/run" results/$$kept || exit 1; \
	done

growth: setup
	$(PYTHON) run.py bench growth

setup: programs

# Asked for every time, a second or two if all is there: what stands in a file of yesterday may have gone since.
host:
	@sh testbed/setup/host.sh

programs: host
	@for part in $(C_PARTS); do $(MAKE) --no-print-directory --silent -C $$part all || exit 1; done

clean:
	@for part in $(C_PARTS); do $(MAKE) --no-print-directory -C $$part clean; done
	rm -rf .venv build
