"""The web page of ``mmderain web``."""

from .formatting import difference
from .page import TIME_LIMIT, build_page, bundled_loaders
from .server import is_loopback, read_users, serving

__all__ = ['TIME_LIMIT', 'build_page', 'bundled_loaders', 'difference', 'is_loopback', 'read_users', 'serving']
