"""The web page: its functions without gradio, and the page in a browser."""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote
from urllib.request import Request, urlopen

import cv2
import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, free_port, smooth_image
from PIL import Image

from mmderain import DEFAULT_DERAINER, cli
from mmderain.errors import InputError
from mmderain.models import Derainer, NetworkSpec
from mmderain.perception.scene import view_scene
from mmderain.registry import MODELS
from mmderain.web import build_page, bundled_loaders, difference, is_loopback, page, read_users, serving, uploads
from mmderain.web.uploads import read_upload, trim_uploads


@MODELS.register_module()
class Dim(torch.nn.Module):
    """Subtract 12 levels; the network has no weights."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 12 / 255]


class Spotter:
    """Find the brightest pixel."""

    kind = 'detector'

    def __call__(self, img):
        return np.unravel_index(img.sum(2).argmax(), img.shape[:2])

    def draw(self, img, prediction):
        drawn = img.copy()
        drawn[prediction] = 0, 0, 255
        return drawn

    def caption(self, prediction):
        return f'1 lamp at {prediction[0]}, {prediction[1]}'

    def agreement(self, prediction, reference):
        return 'the same' if prediction == reference else 'another'


@pytest.fixture(scope='module')
def derainer():
    return Derainer(dict(type='Dim'))


def test_difference_is_centered_on_mid_gray():
    rainy, derained = np.array([[[10, 200, 255]]], np.uint8), np.array([[[10, 190, 0]]], np.uint8)
    assert difference(rainy, derained).tolist() == [[[128, 138, 255]]]


# --- uploads -------------------------------------------------------------------------------------


def test_uploads_of_every_form_become_8_bit_color(tmp_path):
    img = smooth_image(10, 12)
    mmcv.imwrite(img, str(tmp_path / 'a.png'))
    assert np.array_equal(read_upload(tmp_path / 'a.png', tmp_path), img)
    grey = img[..., 0]
    cv2.imwrite(str(tmp_path / 'grey16.png'), grey.astype(np.uint16) * 257)
    assert np.array_equal(read_upload(tmp_path / 'grey16.png', tmp_path), np.repeat(grey[..., None], 3, 2))
    cv2.imwrite(str(tmp_path / 'alpha.png'), np.dstack([img, grey]))
    assert np.array_equal(read_upload(tmp_path / 'alpha.png', tmp_path), img)


def test_uploads_that_are_refused_are_named_without_their_folder(tmp_path, monkeypatch):
    (tmp_path / 'notes.png').write_text('not an image')
    mmcv.imwrite(smooth_image(64, 64), str(tmp_path / 'cut.jpg'))
    content = (tmp_path / 'cut.jpg').read_bytes()
    (tmp_path / 'cut.jpg').write_bytes(content[: len(content) // 2])
    frames = [Image.fromarray(smooth_image(8, 8, seed)) for seed in range(3)]
    frames[0].save(tmp_path / 'moving.gif', save_all=True, append_images=frames[1:])
    mmcv.imwrite(smooth_image(30, 41), str(tmp_path / 'large.png'))
    monkeypatch.setattr(uploads, 'MAX_PIXELS', 1200)
    for name, error_text in {
        'notes.png': 'cannot be read as an image',
        'cut.jpg': 'truncated',
        'moving.gif': 'has 3 frames',
        'large.png': 'has 41x30 pixels, this page accepts up to 0.0012 million',
    }.items():
        monkeypatch.setattr(uploads, 'MAX_PIXELS', 1200 if name == 'large.png' else 10_000)
        with pytest.raises(InputError, match=error_text) as error:
            read_upload(tmp_path / name, tmp_path)
        assert str(error.value).startswith(name) and str(tmp_path) not in str(error.value)


@pytest.fixture
def other_files(tmp_path):
    """Make files that are no uploads: outside of the folder, linked, a pipe, a folder, a name that cannot exist."""
    mmcv.imwrite(smooth_image(10, 12), str(tmp_path / 'secret.png'))
    (tmp_path / 'uploads').mkdir()
    (tmp_path / 'uploads/link.png').symlink_to(tmp_path / 'secret.png')
    (tmp_path / 'uploads/loop.png').symlink_to(tmp_path / 'uploads/loop.png')
    os.mkfifo(tmp_path / 'uploads/pipe.png')
    (tmp_path / 'uploads/folder.png').mkdir()
    names = ['secret.png', 'uploads/link.png', 'uploads/loop.png', 'uploads/pipe.png', 'uploads/folder.png']
    names += ['uploads/../secret.png', 'none.png', 'uploads/none.png', f'uploads/{"a" * 5000}.png', 'uploads/a\0.png']
    return [str(tmp_path / name) for name in names]


def test_only_uploads_are_read(other_files, tmp_path):
    mmcv.imwrite(smooth_image(10, 12), str(tmp_path / 'uploads/a/b.png'))
    assert read_upload(tmp_path / 'uploads/a/b.png', tmp_path / 'uploads').shape == (10, 12, 3)
    for path in other_files:
        with pytest.raises(InputError) as error:
            read_upload(path, tmp_path / 'uploads')
        # The message is the same for a file that exists and for one that does not.
        assert str(error.value) == f'{Path(path).name}: is not an upload of this page; upload the image again'


def test_the_oldest_uploads_are_deleted(tmp_path):
    for number, name in enumerate(['a/old.png', 'b/new.png', 'newest.png']):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (number, number))
    trim_uploads(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.rglob('*.png')) == ['new.png', 'newest.png']
    trim_uploads(tmp_path, 0)
    assert not list(tmp_path.rglob('*.png'))


def test_users_are_read_from_a_private_file(tmp_path):
    file = tmp_path / 'users.txt'
    file.write_text('anna:a:b\nben:c\n')
    file.chmod(0o640)
    with pytest.raises(InputError, match='users.txt: other users of this machine can read it; run `chmod 600'):
        read_users(file)
    file.chmod(0o600)
    assert read_users(file) == [('anna', 'a:b'), ('ben', 'c')]
    for content, message in (('anna', 'line 1: expected user:password'), ('', 'has no lines')):
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            read_users(file)
    with pytest.raises(FileNotFoundError, match='none.txt: no such file of users'):
        read_users(tmp_path / 'none.txt')


@pytest.mark.parametrize(
    'host, expected',
    [('127.0.0.1', True), ('localhost', True), ('::1', True), ('0.0.0.0', False), ('192.168.1.5', False), ('a', False)],
)
def test_loopback_addresses(host, expected):
    assert is_loopback(host) == expected


# --- the command ---------------------------------------------------------------------------------


def test_bundled_models_are_loaded_at_first_use(monkeypatch):
    from mmderain.hub import BundledModel

    kinds = {'a': 'derainer', 'b': 'detector', DEFAULT_DERAINER: 'derainer'}
    entries = [BundledModel(name, kind, 'c.py', 'f', '', '') for name, kind in kinds.items()]
    monkeypatch.setattr(page, 'bundled_models', lambda: {entry.name: entry for entry in entries})
    derainers, tasks = bundled_loaders('cpu')
    assert list(derainers) == [DEFAULT_DERAINER, 'a'] and list(tasks) == ['b']
    assert tasks['b'].args == ('b',) and tasks['b'].keywords == {'device': 'cpu'}


def test_wrong_calls_give_clear_errors(monkeypatch, capsys):
    monkeypatch.setattr(page, 'bundled_models', dict)
    with pytest.raises(InputError, match='--max-upload must be at least 1 MB, found 0'), serving({}, {}, max_upload=0):
        pass
    for port in (0, 65536):
        with (
            pytest.raises(InputError, match=f'--port must be from 1 to 65535, found {port}'),
            serving({}, {}, port=port),
        ):
            pass
    assert cli.main(['web', '--weights', 'w.pth']) == 1
    error_text = capsys.readouterr().err
    assert 'error: --weights w.pth: no model is named; name the model of this checkpoint with --model' in error_text
    with pytest.raises(SystemExit):
        cli.main(['web', '--prot', '7'])
    assert 'usage: mmderain web [-h] [--traceback] [--host' in capsys.readouterr().err
    assert cli.main(['web', '--model', 'sain']) == 1
    assert "no model is called 'sain'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert cli.main(['web']) == 1
    assert capsys.readouterr().err == 'error: mmderain web needs gradio: pip install "mmderain[demo]"\n'


def test_error_without_a_derainer_and_for_a_port_in_use(derainer, tmp_path):
    pytest.importorskip('gradio')
    with pytest.raises(InputError, match='there is no derainer with bundled weights; name one: --model'):
        build_page({}, {}, tmp_path)
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f'127.0.0.1:{port}: no page can be served'):
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
        """Stand-in for the event for which the command waits."""

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


# --- requests without a browser -------------------------------------------------------------------


def send(address: str, image: dict, seconds: float = 60) -> dict:
    """Send a request for the function of the page, and return the message at its end."""
    with urlopen(f'{address}config') as answer:
        config = json.load(answer)
    number = next(entry['id'] for entry in config['dependencies'] if len(entry['inputs']) == 7)
    body = dict(data=[image, None, 'dim', '', [], 3, 0], fn_index=number, session_hash='a', event_data=None)
    queue = f'{address.rstrip("/")}{config.get("api_prefix", "/gradio_api")}/queue'
    join = Request(f'{queue}/join', json.dumps(body).encode(), {'Content-Type': 'application/json'})
    with urlopen(join, timeout=seconds) as answer:
        assert 'event_id' in json.load(answer)
    with urlopen(f'{queue}/data?session_hash=a', timeout=seconds) as events:
        for line in events:
            message = json.loads(line.removeprefix(b'data: ')) if line.startswith(b'data: ') else {}
            if message.get('msg') == 'process_completed':
                return message
    raise AssertionError('the request has not ended')


def test_requests_for_other_files_are_refused(derainer, other_files, tmp_path, monkeypatch):
    pytest.importorskip('gradio')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    with serving({'dim': lambda: derainer}, {}, port=free_port()) as address:
        (folder,) = tmp_path.glob('mmderain_web_*')
        for path in other_files:
            for meta in ({}, {'meta': {'_type': 'gradio.FileData'}}):
                answer = send(address, {'path': path, **meta})
                assert not answer['success'] and 'base64' not in json.dumps(answer)
        mmcv.imwrite(smooth_image(10, 12), str(folder / 'a.png'))
        assert send(address, {'path': str(folder / 'a.png'), 'meta': {'_type': 'gradio.FileData'}})['success']


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path):
    """Start a headless Chromium, or skip the test if there is none."""
    pytest.importorskip('gradio')
    webdriver = pytest.importorskip('selenium.webdriver')
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    chromedriver = shutil.which('chromedriver')
    if not chromium or not chromedriver:
        pytest.skip('needs chromium (or google-chrome) and chromedriver on the PATH')
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in ('headless=new', 'no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-sync'):
        options.add_argument(f'--{switch}')
    for switch in ('disable-background-networking', 'disable-component-update', 'window-size=1280,1300'):
        options.add_argument(f'--{switch}')
    options.add_argument(f'--user-data-dir={tmp_path / "profile"}')
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL'})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


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
            pass  # the page has drawn it again
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


def test_page_in_a_browser(browser, derainer, tmp_path, monkeypatch):
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
        wait_for(browser, '.toast-body', 'remove the second image, or draw no rain')
        assert loaded == ['dim']
        assert hosts(browser) == {f'127.0.0.1:{port}'}
    assert not folder.exists()
