"""The web page: its functions without gradio, and the page in a browser."""

import json
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote
from urllib.request import urlopen

import mmcv
import numpy as np
import pytest
from browser import chromium
from conftest import ROOT, free_port

from mmderain import DEFAULT_DERAINER, cli
from mmderain.errors import InputError
from mmderain.perception.scene import view_scene
from mmderain.web import build_page, bundled_loaders, difference, page, serving

from .cases import Spotter


def test_difference_is_centered_on_mid_gray():
    rainy, derained = np.array([[[10, 200, 255]]], np.uint8), np.array([[[10, 190, 0]]], np.uint8)
    assert difference(rainy, derained).tolist() == [[[128, 138, 255]]]


# --- the command ---------------------------------------------------------------------------------


def test_bundled_models_are_loaded_at_first_use(monkeypatch):
    from mmderain.hub import NamedModel

    kinds = {'a': 'derainer', 'b': 'detector', DEFAULT_DERAINER: 'derainer'}
    entries = [NamedModel(name, kind, about='', file='f') for name, kind in kinds.items()]
    monkeypatch.setattr(page, 'bundled_models', lambda: {entry.name: entry for entry in entries})
    derainers, tasks = bundled_loaders('cpu')
    assert list(derainers) == [DEFAULT_DERAINER, 'a'] and list(tasks) == ['b']
    assert tasks['b'].args == ('b',) and tasks['b'].keywords == {'device': 'cpu'}


def test_wrong_calls_give_clear_errors(monkeypatch, capsys):
    monkeypatch.setattr(page, 'bundled_models', dict)
    with pytest.raises(InputError, match='--max-upload must be at least 1 MiB, found 0'), serving({}, {}, max_upload=0):
        pass
    for port in (0, 65536):
        with (
            pytest.raises(InputError, match=f'--port must be from 1 to 65535, found {port}'),
            serving({}, {}, port=port),
        ):
            pass
    assert cli.main(['web', '--weights', 'w.pth']) == 1
    error_text = capsys.readouterr().err
    assert 'error: --weights w.pth: name the model of this checkpoint with --model' in error_text
    with pytest.raises(SystemExit):
        cli.main(['web', '--prot', '7'])
    assert 'usage: mmderain web [-h] [--traceback] [--host' in capsys.readouterr().err
    assert cli.main(['web', '--model', 'sain']) == 1
    assert "no model is called 'sain'" in capsys.readouterr().err
    assert cli.main(['web', '--task', 'rtmdet']) == 1
    assert "no detector or segmentor is called 'rtmdet'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert cli.main(['web']) == 1
    assert capsys.readouterr().err == 'error: mmderain web needs gradio: pip install "mmderain[demo]"\n'


def test_error_without_a_derainer_and_for_a_port_in_use(derainer, tmp_path):
    pytest.importorskip('gradio')
    with pytest.raises(InputError, match='no derainer is bundled with this installation; name a trained derainer'):
        build_page({}, {}, tmp_path)
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f'127.0.0.1:{port}: the page cannot be served'):
            with serving({'dim': lambda: derainer}, {}, port=port):
                pass


def test_web_command_serves_until_sigterm_and_deletes_its_files(tmp_path, monkeypatch, capsys):
    pytest.importorskip('gradio')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    (tmp_path / 'net.py').write_text(
        "default_scope = 'mmderain'\nmodel = dict(type='Derainer', network=dict(type='Dim'))"
    )
    port, statuses, folders = free_port(), [], []

    class RequestAndTerminate:
        """Stand-in for the event that the command waits for: request the page, then send SIGTERM."""

        def wait(self):
            with urlopen(f'http://127.0.0.1:{port}/') as response:
                statuses.append(response.status)
                folders.extend(tmp_path.glob('mmderain_web_*'))
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(cli.web, 'threading', SimpleNamespace(Event=RequestAndTerminate))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(['web', '--model', str(tmp_path / 'net.py'), '--port', str(port), '--device', 'cpu']) == 0
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert capsys.readouterr().out == f'http://127.0.0.1:{port}/  (Ctrl+C ends the server)\n'
    assert statuses == [200] and len(folders) == 1 and not folders[0].exists()
    assert not list(Path(page.__file__).parent.glob('*.pyi'))  # gradio writes stub files for new components


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path):
    """Start a headless Chromium, or skip the test if there is none."""
    pytest.importorskip('gradio')
    with chromium(tmp_path / 'profile') as driver:
        yield driver


def wait_for(browser, css: str, text: str = '', seconds: float = 30):
    """Return the first visible element that matches a selector and whose text contains ``text``."""
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            for element in browser.find_elements('css selector', css):
                if element.is_displayed() and text in element.text:
                    return element
        except StaleElementReferenceException:
            pass  # the page has replaced the element
        time.sleep(0.1)
    shown = browser.find_element('css selector', 'body').text
    raise AssertionError(f'no {css} with {text!r} within {seconds} s; the page shows:\n{shown}')


def upload(browser, place: str, path: Path) -> None:
    """Upload a file into an empty component; the page shows an image when the upload is complete."""
    wait_for(browser, f'{place} button')
    browser.find_element('css selector', f'{place} input[type=file]').send_keys(str(path))


def hosts(browser) -> set[str]:
    """Return the hosts of all requests of the page."""
    messages = (json.loads(entry['message'])['message'] for entry in browser.get_log('performance'))
    sent = [m['params']['request']['url'] for m in messages if m['method'] == 'Network.requestWillBeSent']
    return {url.split('/')[2] for url in sent if url.startswith('http')}


def test_the_page_derains_an_upload_in_a_browser(browser, derainer, tmp_path, monkeypatch):
    (tmp_path / 'notes.png').write_text('not an image')
    (tmp_path / 'notes.txt').write_text('not an image')
    (tmp_path / 'vast.png').write_bytes(bytes((1 << 20) + 1))
    source = ROOT / 'demo/sample/test/home.jpg'
    loaded = []
    derainers = {'dim': lambda: loaded.append('dim') or derainer, 'other': lambda: loaded.append('other')}
    port = free_port()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    with serving(derainers, {'spotter': Spotter}, port=port, max_upload=1) as address:
        (folder,) = tmp_path.glob('mmderain_web_*')
        assert address == f'http://127.0.0.1:{port}/'
        browser.get(address)
        wait_for(browser, 'h1', 'mmderain')

        # A file that is not an image gives a clear message.
        wait_for(browser, '#run').click()
        wait_for(browser, '.toast-body', 'Upload an image first.')
        upload(browser, '#image', tmp_path / 'notes.txt')
        wait_for(browser, '.toast-body', 'notes.txt')
        upload(browser, '#image', tmp_path / 'vast.png')
        wait_for(browser, '.toast-body', 'exceed the maximum allowed size of 1.0 Mb: "vast.png"')
        upload(browser, '#image', tmp_path / 'notes.png')
        wait_for(browser, '#image img')
        wait_for(browser, '#run').click()
        assert str(tmp_path) not in wait_for(browser, '.toast-body', 'notes.png: cannot be read as an image').text
        assert loaded == []

        browser.get(address)
        upload(browser, '#image', source)
        wait_for(browser, '#image img')
        for label in browser.find_elements('css selector', '#rain label'):
            if label.text in ('light', 'mist'):
                label.click()
        wait_for(browser, '#task input').click()
        wait_for(browser, '[role=option]', 'spotter').click()
        wait_for(browser, '#run').click()
        _, rainy, derained = view_scene(mmcv.imread(str(source)), derainer, Spotter(), 'light:3+mist:3', 0)
        pairs = [(rainy.scores[name], derained.scores[name]) for name in ('PSNR-Y', 'SSIM-Y(valid)')]
        wait_for(browser, '#scores .card', '{:.2f} → {:.2f} dB'.format(*pairs[0]))
        wait_for(browser, '#scores .card', '{:.4f} → {:.4f}'.format(*pairs[1]))
        wait_for(browser, '#rainy', f'{rainy.caption}; {rainy.agreement}')
        wait_for(browser, '#derained', f'{derained.caption}; {derained.agreement}')
        assert loaded == ['dim']
        for place, expected in {
            '#comparison': [rainy.image, derained.image],
            '#difference': [difference(rainy.image, derained.image)],
            '#rainy': [rainy.drawn],
            '#derained': [derained.drawn],
        }.items():
            shown = browser.find_elements('css selector', f'{place} img')
            assert len(shown) == len(expected)
            for element, array in zip(shown, expected):
                assert browser.execute_script('return arguments[0].naturalWidth', element) == array.shape[1]
                file = Path(unquote(element.get_attribute('src').split('file=')[1]))
                assert folder in file.parents and np.array_equal(mmcv.imread(str(file)), array)

        # At the width of a phone, all components are below each other and none is wider than the screen.
        phone = {'width': 390, 'height': 844, 'deviceScaleFactor': 1, 'mobile': True}
        browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', phone)
        assert browser.execute_script('return document.documentElement.scrollWidth') == 390
        places = [
            browser.find_element('css selector', place).rect
            for place in ('#comparison', '#difference', '#scores', '#rainy')
        ]
        assert all(place['width'] > 300 for place in places)
        assert all(a['y'] + a['height'] <= b['y'] for a, b in zip(places, places[1:]))
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})

        # Rain cannot be drawn if a clean image is given.
        wait_for(browser, 'button.label-wrap').click()
        upload(browser, '#clean', source)
        wait_for(browser, '#clean img')
        wait_for(browser, '#run').click()
        wait_for(browser, '.toast-body', 'Remove the clean image, or draw no rain')
        assert loaded == ['dim']
        assert hosts(browser) == {f'127.0.0.1:{port}'}
    assert not folder.exists()
