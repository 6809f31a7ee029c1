"""A headless Chromium for tests."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start Chromium, or skip the test if there is none.

    Args:
        profile: new folder for the profile of the browser.

    Yields:
        The driver of selenium. Its log ``performance`` contains all requests of the browser.
    """
    webdriver = pytest.importorskip('selenium.webdriver')
    program = shutil.which('chromium') or shutil.which('google-chrome')
    chromedriver = shutil.which('chromedriver')
    if not program or not chromedriver:
        pytest.skip('needs chromium (or google-chrome) and chromedriver on the PATH')
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in ('headless=new', 'no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-sync'):
        options.add_argument(f'--{switch}')
    for switch in ('disable-background-networking', 'disable-component-update', 'window-size=1280,1300'):
        options.add_argument(f'--{switch}')
    options.add_argument(f'--user-data-dir={profile}')
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL'})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    try:
        driver.set_script_timeout(30)
        yield driver
    finally:
        driver.quit()
