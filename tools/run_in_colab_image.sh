#!/usr/bin/env bash
# Run every notebook inside the Colab image, from a checkout of this repository.
# Does what the notebooks' first cell does on Colab, but installs this checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(python3 -m pip list --format=freeze | grep -E '^(torch|torchvision|numpy)==')
python3 -m pip install --quiet --no-deps .
python3 -m pip install --quiet --no-deps $(python3 -c '
import sys; sys.path.insert(0, "tools")
from colab_cell import PURE_PYTHON
print(*PURE_PYTHON)')
after=$(python3 -m pip list --format=freeze | grep -E '^(torch|torchvision|numpy)==')
if [ "$before" != "$after" ]; then
  printf 'The first cell changed what Colab brings:\n%s\nbecame\n%s\n' "$before" "$after"
  exit 1
fi

exec python3 tools/run_as_on_colab.py
