"""Stand-in for yapf that leaves code as it is, used by the tests (see ``conftest.py``)."""

__version__ = '0.43.0'
