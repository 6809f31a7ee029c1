"""The wheel, the error message without an OpenMMLab stack, and the set-up script."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETUP = Path('tools/dev/setup_venv.sh')


def run(*command, cwd, **environment):
    """Run a command with a minimal environment, without the PYTHONPATH of the tests."""
    base = {'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': str(cwd)}
    command = [str(part) for part in command]
    return subprocess.run(command, cwd=cwd, env=base | environment, capture_output=True, text=True)


def source_files(*names):
    """Return the files in folders of the checkout, as paths relative to the checkout."""
    found = set()
    for name in names:
        for path in (ROOT / name).rglob('*'):
            if path.is_file() and path.suffix != '.pyc' and path.name != '.DS_Store':
                found.add(path.relative_to(ROOT).as_posix())
    return found


# --- the wheel -----------------------------------------------------------------------------------


def build(out, *what):
    command = [sys.executable, '-m', 'build', *what, '--no-isolation', '--outdir', out, ROOT]
    done = run(*command, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp('wheel'), '--wheel')


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index', '--target']
    done = run(*command, target, wheel, cwd=target.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_wheel_contains_configs_and_tools_once_byte_for_byte(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        mim = {name.removeprefix('mmderain/.mim/') for name in names if '/.mim/' in name}
        assert mim == source_files('configs', 'tools') | {'model-index.yml'}
        for name in mim:
            assert archive.read(f'mmderain/.mim/{name}') == (ROOT / name).read_bytes(), name
        assert not any(name.split('/')[0] in ('configs', 'tools', 'tests') for name in names)


def test_wheel_contains_the_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for path in (ROOT / 'mmderain/weights').iterdir():
            assert archive.read(f'mmderain/weights/{path.name}') == path.read_bytes(), path


def test_source_archive_builds_the_same_wheel(wheel, tmp_path):
    through_sdist = build(tmp_path)  # without --wheel, the wheel is built from a source archive
    with zipfile.ZipFile(wheel) as result, zipfile.ZipFile(through_sdist) as reference:
        assert sorted(reference.namelist()) == sorted(result.namelist())
        for name in result.namelist():
            assert reference.read(name) == result.read(name), name


def test_wheel_requires_no_openmmlab_stack(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith('.dist-info/METADATA'))
        lines = archive.read(metadata).decode().splitlines()
    required = [line for line in lines if line.startswith('Requires-Dist:')]
    assert not [line for line in required if 'extra ==' not in line and 'mm' in line]
    for extra in ('onedl', 'openmmlab', 'demo', 'export', 'test'):
        assert f'Provides-Extra: {extra}' in lines


def test_configs_of_the_installed_package_can_be_inherited(installed, tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text("_base_ = 'mmderain::derain/sian_rain100l.py'\n")
    code = (
        'import mmderain, mmengine\n'
        'print(mmderain.__file__)\n'
        f'print(mmengine.Config.fromfile({str(leaf)!r}).model.type)\n'
    )
    # Python adds the working directory to sys.path, and Python 3.10 has no option -P against this. Therefore this test
    # uses a working directory without packages. PYTHONPATH comes before the editable installation of the checkout.
    done = run(sys.executable, '-c', code, cwd=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    *_, file, kind = done.stdout.splitlines()
    assert Path(file).is_relative_to(installed)
    assert kind.rpartition('.')[2] == 'Derainer'


def test_links_in_the_checkout_point_to_the_real_folders():
    for name in ('configs', 'tools', 'model-index.yml'):
        link = ROOT / 'mmderain' / '.mim' / name
        assert link.is_symlink(), f'{link} should be a link to ../../{name}'
        assert link.resolve() == ROOT / name


# --- without an OpenMMLab stack ------------------------------------------------------------------


@pytest.mark.parametrize('absent', ['mmengine', 'mmcv'])
def test_import_without_a_stack_says_what_to_install(absent, tmp_path):
    code = f"""
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition('.')[0] == {absent!r}:
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
try:
    import mmderain
except ImportError as error:
    print(error)
else:
    sys.exit('imported')
"""
    done = run(sys.executable, '-c', code, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert absent in line
    assert 'pip install' in line
    assert 'mmderain[onedl]' in line


# --- the lock and the set-up script --------------------------------------------------------------


def test_lock_has_only_names_and_versions():
    for line in (ROOT / 'requirements' / 'lock.txt').read_text().splitlines():
        assert line.startswith('#') or re.match(r'[a-z0-9-]+==[0-9][\w.]*( ; .+)?$', line), line
        assert '://' not in line


def test_lock_contains_all_packages_of_the_set_up():
    lock = (ROOT / 'requirements' / 'lock.txt').read_text()
    locked = set(re.findall(r'^([a-z0-9-]+)==', lock, re.M))
    project = (ROOT / 'pyproject.toml').read_text()
    named = {'torch', 'torchvision'}
    for extra in ('onedl', 'test'):
        block = re.search(rf'^{extra} = \[(.*?)\]', project, re.M | re.S)[1]
        named |= set(re.findall(r'"([A-Za-z0-9-]+)', block))
        for pin in re.findall(r'"([a-z0-9-]+==[^"]+)"', block):
            assert re.search(rf'^{re.escape(pin)}$', lock, re.M), f'{pin}: run `make lock`'
    assert named <= locked, f'run `make lock`: {sorted(named - locked)} not locked'


@pytest.fixture
def checkout(tmp_path):
    """Copy the set-up script and the lock file to a folder that has no virtual environment, and return the folder."""
    for name in (SETUP, Path('requirements/lock.txt')):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fake_python(folder, version, name='python3'):
    """Write a fake interpreter that only prints a version."""
    folder.mkdir(parents=True, exist_ok=True)
    fake = folder / name
    fake.write_text(f'#!/bin/sh\necho {version}\n')
    fake.chmod(0o755)
    return fake


def set_up(checkout, stage, **environment):
    return run('bash', SETUP, stage, cwd=checkout, **environment)


def test_fingerprint_depends_on_pins_and_python(checkout):
    def fingerprint():
        done = set_up(checkout, '--fingerprint', PYTHON=sys.executable)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    version, before = fingerprint()
    assert version == '.'.join(map(str, sys.version_info[:3]))
    assert fingerprint() == [version, before]
    lock = checkout / 'requirements' / 'lock.txt'
    text = lock.read_text()
    lock.write_text('# a remark\n' + text)
    assert fingerprint()[1] == before
    lock.write_text(re.sub(r'^torch==.*$', 'torch==0.0.1', text, flags=re.M))
    assert fingerprint()[1] != before


def test_a_finished_stage_is_not_repeated(checkout):
    done = set_up(checkout, '--fingerprint', PYTHON=sys.executable)
    (checkout / '.venv' / 'bin').mkdir(parents=True)
    (checkout / '.venv' / 'bin' / 'python').symlink_to(sys.executable)
    (checkout / '.venv' / '.stage-base').write_text(done.stdout)
    done = set_up(checkout, 'base', PYTHON=sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


@pytest.mark.parametrize('version', ['3.9.18', '3.13.1', '2.7.18'])
def test_an_unsupported_python_is_refused_in_one_line(checkout, version):
    fake = fake_python(checkout / 'fakes', version)
    done = set_up(checkout, 'base', PYTHON=str(fake))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert version in line
    assert '3.10, 3.11 or 3.12' in line
    assert not (checkout / '.venv').exists()


def test_error_without_a_supported_python_names_the_found_ones(checkout):
    fakes = checkout / 'fakes'
    fake_python(fakes, '3.13.1')
    for tool in ('bash', 'dirname', 'sh'):
        (fakes / tool).symlink_to(shutil.which(tool))
    done = set_up(checkout, 'base', PATH=str(fakes))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'python3 is 3.13.1' in line
    assert 'PYTHON=' in line


def test_a_python_without_the_venv_module_is_refused_in_one_line(checkout):
    fake = fake_python(checkout / 'fakes', '3.11.9')
    fake.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\necho 3.11.9\n')
    done = set_up(checkout, 'base', PYTHON=str(fake))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'python3-venv' in line


def test_too_little_disk_space_is_reported_before_anything_is_installed(checkout):
    done = set_up(checkout, 'base', PYTHON=sys.executable, MIN_DISK_GB='9999999')
    assert done.returncode == 1
    assert '9999999 GB' in done.stderr.splitlines()[-1]
    assert not (checkout / '.venv').exists()


def test_old_environment_is_removed_when_pins_change(checkout):
    old = checkout / '.venv'
    (old / 'bin').mkdir(parents=True)
    (old / 'bin' / 'python').symlink_to(sys.executable)
    (old / '.made-for').write_text('3.11.0 of-other-pins\n')
    done = set_up(checkout, 'base', PYTHON=sys.executable, MIN_DISK_GB='9999999')
    assert done.returncode == 1  # too little disk space; the old environment was removed before this check
    assert not old.exists()
