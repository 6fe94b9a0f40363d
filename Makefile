# make reproduce   set up this machine and run the whole experiment
# make test        set up this machine and run every test, those with a real guest too
# make check       everything without a guest, under 2 minutes
# make survival    runs killed, starved and disturbed on a real guest, as often as they are meant to be (an hour)
# make images      image and warm snapshot that the tests start from
# make conditions  one cell of each control and peer, and some of the sweep, on a real guest (half an hour)
# make fuzz        the prefetcher's parsers against nonsense, a minute each
# make setup       only set up; make clean removes what was built (not results, not the cache)

PYTHON := .venv/bin/python
C_PARTS := workloads/alpha measure prefetch peers

.PHONY: reproduce test images check fuzz lint setup programs bench survival conditions clean

reproduce: setup
	$(PYTHON) run.py

test: check
	@$(MAKE) --no-print-directory -j2 fuzz images
	$(PYTHON) -m pytest -m guest

images: setup
	$(PYTHON) run.py --quick prepare

check: setup lint
	$(PYTHON) -m pytest -m "not guest" -n auto --dist loadfile

survival: setup
	PAGING_SURVIVAL=1 $(PYTHON) -m pytest --durations=0 \
		tests/test_trouble_guest.py tests/test_debugging_guest.py tests/test_survival_guest.py

conditions: setup
	PAGING_CONDITIONS=1 $(PYTHON) -m pytest --durations=0 tests/test_conditions_guest.py

fuzz: setup
	@$(MAKE) --no-print-directory --silent -C prefetch fuzz

lint: setup
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

bench: setup
	$(PYTHON) run.py bench

setup: .venv/.installed programs

.venv/.installed: pyproject.toml testbed/setup.sh testbed/host-packages.txt
	testbed/setup.sh .venv
	touch $@

programs: .venv/.installed
	@for part in $(C_PARTS); do $(MAKE) --no-print-directory --silent -C $$part all || exit 1; done

clean:
	@for part in $(C_PARTS); do $(MAKE) --no-print-directory -C $$part clean; done
	rm -rf .venv
