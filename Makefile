# Every target makes what it needs, says what it does and where the result is; a second run does
# nothing it need not. `make` alone prints the list.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
NAME_ANOTHER := Name another one: make PYTHON=python3.12
HTML    := _build/html/index.html
PORT    ?= 8000
# Passed to pytest: make unit PYTEST_ARGS="-k frechet"
PYTEST_ARGS ?=
# What is read for misspelt words; the words that are meant stand in pyproject.toml.
SPELT   := aigc_tutorial benchmarks book tests tools README.md CONTRIBUTING.md
# What `make mutants` changes: a subpackage, and of its changes those whose number ends so.
PART    ?= gan
DIGITS  ?= 0-9

# The book's pages run as on a stranger's machine: no download, no data folder, an empty data cache.
STRANGER := env -u AIGC_TUTORIAL_DATA AIGC_TUTORIAL_OFFLINE=1 AIGC_TUTORIAL_CACHE="$(CURDIR)/.cache/stranger"

.DEFAULT_GOAL := help
.PHONY: help install book test lab serve format lint unit notebooks full colab widgets built budgets pictures diagrams mutants kills lock clean

help: ## Print this list
	@echo "Usage: make TARGET"
	@echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1|\2/' \
	  | awk -F'|' '{ printf "%-11s %s\n", $$1, $$2 }'
	@echo
	@echo "The first call installs Python packages into $(VENV) (about 3 minutes and 6 GB on Linux,"
	@echo "where PyTorch brings its GPU libraries; less on macOS)."

install: $(STAMP) ## Make the virtual environment .venv (3 minutes; nothing when it is up to date)

$(STAMP): pyproject.toml constraints.txt
	@test -w . || { echo "$(CURDIR) cannot be written, and $(VENV) is made in it."; exit 1; }
	@test -x $(BIN)/python || { \
	  command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON). $(NAME_ANOTHER)"; exit 1; }; \
	  "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "Python 3.11 to 3.13 is needed, and $(PYTHON) is $$("$(PYTHON)" -V). $(NAME_ANOTHER)"; \
	    exit 1; }; \
	  echo "Making a virtual environment in $(VENV)"; \
	  "$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "Could not make it. On Debian and Ubuntu: apt install python3-venv"; exit 1; }; }
	@echo "Installing the packages of constraints.txt (about 3 minutes the first time)"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[apps,book,chinese,cli,export,search,serve,test,track]'
	@touch $@

book: $(STAMP) ## Execute the notebooks and render the book to _build/html (about 18 minutes on two cores; under 1 minute when nothing changed)
	@$(STRANGER) PYTHONPATH=book/_ext $(BIN)/python tools/build_book.py

test: $(STAMP) ## Lint, types, floors, unit tests, notebooks, one with widgets also as on Colab, book, browser (about 50 minutes; the summary comes last)
	@$(BIN)/python tools/run_stages.py widgets+lint unit notebooks book built

lint: $(STAMP) ## Check format, lint, spelling, types and the floors between subpackages (1 minute)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell $(SPELT)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: $(STAMP) ## Run the unit tests (8 minutes on two cores); PYTEST_ARGS="-k name" chooses
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not built and not browser and not network" \
	  --durations=10 $(PYTEST_ARGS)

notebooks: $(STAMP) ## Run every notebook cell by cell within 4 GB, on the real data where AIGC_TUTORIAL_DATA is set (14 minutes)
	@$(if $(AIGC_TUTORIAL_DATA),AIGC_TUTORIAL_OFFLINE=1,$(STRANGER)) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope \
	  -p notebook_report -p no:cacheprovider --override-ini testpaths=book --override-ini timeout=0 \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=900 book $(PYTEST_ARGS)

full: $(STAMP) ## Run the pages that load data on the real data, within 4 GB (4 minutes; PAGES="05_4_results" for others)
	@OMP_NUM_THREADS=1 $(BIN)/python tools/run_pages.py full $(PAGES) --workers 2

colab: $(STAMP) ## Run the pages with Colab's own versions of the packages (10 minutes; PAGES="widgets" or names for some)
	@$(STRANGER) $(BIN)/python tools/colab_environment.py $(PAGES)

widgets: ## Run one page with widgets as `make colab` does, which takes PAGES=widgets for all of them (2 minutes)
	@$(MAKE) --no-print-directory colab PAGES=04_2_2_ar_math

built: $(STAMP) ## Test the built book, also in Chromium (7 minutes)
	@test -f $(HTML) || { echo "There is no built book. Run: make book"; exit 1; }
	@$(BIN)/python -m pytest -n 2 -m "built or browser" tests/book tests/browser $(PYTEST_ARGS)

kills: $(STAMP) ## Kill fifty training runs at random moments and compare them with runs left alone (4 minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/kill_runs.py --runs 50

lab: $(STAMP) ## Open the notebooks in JupyterLab; stop it with Ctrl-C
	@echo "JupyterLab opens in your browser; the notebooks are in book/. Stop it with Ctrl-C."
	@$(BIN)/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/book

serve: book ## Build the book and show it at http://127.0.0.1:8000 (PORT=8001 for another port)
	@echo "The book is at http://127.0.0.1:$(PORT)/ - stop it with Ctrl-C."
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

format: $(STAMP) ## Format code and notebooks and mend what lint can mend (5 seconds)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/python tools/clean_notebooks.py

budgets: $(STAMP) ## Measure each page's time and memory without and with the real data (15 minutes; PAGES="05_4_results" for some)
	@$(BIN)/python tools/measure_budgets.py $(PAGES)

pictures: $(STAMP) ## Draw the README's pictures from the zoo's weights to book/_static (1 minute)
	@$(BIN)/python tools/make_pictures.py

diagrams: $(STAMP) ## Draw the diagrams that have no drawing yet, with Chromium, to book/_diagrams (10 seconds)
	@$(BIN)/python tools/draw_diagrams.py

mutants: $(STAMP) ## Change a subpackage in small ways and see which the tests miss (an hour; PART=gan DIGITS=3 for a tenth of gan)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[mutation]'
	@$(BIN)/python benchmarks/mutants.py $(PART) --digits "$(DIGITS)"

lock: $(STAMP) ## Write constraints.txt and environment.yml from what is installed and pyproject.toml (1 second)
	@$(BIN)/python tools/lock.py

clean: ## Delete the built book and the cached outputs; .venv stays
	rm -rf _build .cache
