"""``python -m aigc_tutorial`` is the command ``aigc-tutorial``."""

from aigc_tutorial.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
