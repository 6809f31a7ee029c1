"""Stand-in for yapf that does not change code. The tests use it (see ``conftest.py``)."""

__version__ = '0.43.0'
