"""A service that listens on a free port of this machine, in a thread: the package's own."""

from aigc_tutorial.deploy.service import running

__all__ = ["running"]
