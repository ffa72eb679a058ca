"""The run-time type checker of the tests; conftest.py installs it over the whole package."""

from beartype import BeartypeConf, beartype

# An int is welcome where a float is asked for, as for every static type checker.
typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
