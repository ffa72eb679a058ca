# Each target is a task of tools/tasks.py, which says what it does and makes what it needs: `make`
# alone prints the list. Variables reach it as make passes them: make unit PYTEST_ARGS="-k frechet"

PYTHON ?= python3
# The environment's own interpreter, once there is one.
RUN := $(or $(firstword $(wildcard .venv/bin/python .venv/Scripts/python.exe)),$(PYTHON))

TASKS := help install book test lab serve format lint unit notebooks full colab widgets built kills \
         budgets pictures diagrams mutants lock clean

.DEFAULT_GOAL := help
.PHONY: $(TASKS)

$(TASKS):
	@command -v "$(RUN)" >/dev/null || { \
	  echo "There is no $(RUN). Name another one: make PYTHON=python3.12"; exit 1; }
	@"$(RUN)" tools/tasks.py $@
