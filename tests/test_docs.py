"""The site builds, its links are valid, and the commands in its pages are valid."""

import importlib
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys

import mmcv
import pytest
import torch
from conftest import ROOT, require_task_models, smooth_image
from golden import authors_keys, fill
from mmengine.config import Config
from snippets import LINK, PAGES, WrongCommand, blocks, check, commands, write_named_blocks
from test_layout import LAYERS

from mmderain.apis import init_model
from mmderain.io import save_weights
from mmderain.io.video import write_frames


def name_of(page):
    return page.relative_to(ROOT).as_posix()


# --- the site ------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Build the site as `make docs` does, but with warnings as errors."""
    if sys.version_info < (3, 11):
        pytest.skip('the last mkdocstrings for Python 3.10 does not work with the locked mkdocs-material')
    out = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-f', 'docs/mkdocs.yml', '-d', str(out)]
    environment = os.environ | {'NO_MKDOCS_2_WARNING': '1'}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and 'WARNING' not in done.stderr, done.stderr
    return out


#: Packages with public names. The last three have no own pages. They are documented on the pages of their parent
#: packages.
PUBLIC = [
    path.parent.name for path in sorted((ROOT / 'mmderain').glob('*/__init__.py')) if '__all__' in path.read_text()
]
PUBLIC += ['datasets.transforms', 'models.layers', 'perception.joint_test']


@pytest.mark.parametrize('module', PUBLIC)
def test_the_reference_has_every_public_name(site, module):
    page = (site / f'api/{module.split(".")[0]}.html').read_text()
    for name in importlib.import_module(f'mmderain.{module}').__all__:
        # The function `conditions` is documented within the module `conditions`.
        assert re.search(rf'id="mmderain\.{re.escape(module)}\.({name}\.)?{name}"', page), name


def test_docstrings_are_converted_to_markdown(site):
    page = (site / 'api/apis.html').read_text()
    assert ':func:' not in page and ':class:' not in page
    assert 'href="hub.html#mmderain.hub.find_derainer"' in page  # from the docstring of trained_derainer


def test_links_to_files_of_the_repository_lead_to_pages_of_the_site(site):
    page = (site / 'paper_tables.html').read_text()
    assert 'href="source/configs/derain/sian_rain100l.py.html"' in page
    assert 'SIAN, Tables II, III and V' in (site / 'source/configs/derain/sian_rain100l.py.html').read_text()
    readme = (site / 'source/index.html').read_text()  # the README, whose links are also converted
    assert 'href="../metrics.html"' in readme and 'src="../images/demo_panel.jpg"' in readme
    assert (site / 'source/CONTRIBUTING.html').is_file()


def test_the_site_loads_nothing_from_other_hosts(site):
    for page in site.rglob('*.html'):
        text = page.read_text()
        fetched = re.findall(r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)', text)
        fetched += re.findall(r'<link[^>]+(?:stylesheet|preconnect|icon)[^>]+href="(https?:[^"]+)', text)
        assert not fetched, f'{page}: {fetched}'


# --- links and snippets --------------------------------------------------------------------------


@pytest.mark.parametrize('page', [*PAGES, ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md'], ids=name_of)
def test_links_and_images_exist(page):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_documented_commands_are_valid(page):
    for script in blocks(page, 'bash'):
        for words in commands(script):
            check(words)


@pytest.mark.parametrize(
    'script',
    [
        'python tools/train.py configs/derain/sian_rain100l.py --ressume',
        'python tools/train.py configs/derain/sian_rain100m.py',
        'python tools/trian.py configs/derain/sian_rain100l.py',
        'python tools/joint_test.py CONFIG CHECKPOINT --derainer a b c d',
        'python tools/prepare_dataset.py rain100m SRC',
        'python -m mmderain.cli models',
        'size=320,480\npython tools/benchmark.py configs/derain/sian_sample.py --sizes $size',
        'bash tools/dist_train.sh configs/derain/sian_rain100l.py 2 --out work_dirs/figures',
        'mmderain derain --out derained',
        'mmderain rain images rainy --strength 3',
        'mmderain snow images',
        'torchrun --nproc-per-node 2 -m mmderain.cli derain in --shards 2',
        'make demmo',
        'make demo PYTON=python3.12',
        "pip install '.[onnx]'",
        'pip install torch==1.0.0',
        'mim install mmcv',
        'mim train mmderain sian_rain100m.py',
        'mim test mmderain sian_rain100h.py --checkpoint CHECKPOINT --ressume',
    ],
)
def test_wrong_commands_are_refused(script):
    with pytest.raises(WrongCommand):
        for words in commands(script):
            check(words)


def test_valid_commands_are_accepted():
    script = """
        # a remark
        model=configs/derain/sian work=work_dirs   # variables
        OMP_NUM_THREADS=1 python tools/train.py ${model}_rain100l.py \\
            --work-dir "$work/my run" --amp
        bash tools/dist_test.sh ${model}_rain100l.py CHECKPOINT 2 --out OUT
        mmderain models
        srun --ntasks 4 mmderain derain in --out OUT
        make demo PYTHON=python3.12
        pip install '.[export,docs]'
    """
    train, launched, *others = commands(script)
    assert train[1:] == ['tools/train.py', 'configs/derain/sian_rain100l.py', '--work-dir', 'work_dirs/my run', '--amp']
    for words in (train, launched, *others):
        check(words)
    assert len(others) == 4


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_python_blocks_compile_and_configs_load(page, tmp_path):
    write_named_blocks(page, tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    for number, code in enumerate(blocks(page, 'python')):
        compile(code, f'{name_of(page)}, block {number}', 'exec')
        if re.search('^_base_ = ', code, re.M):
            if re.search('mm(det|seg)::|configs/perception', code):
                require_task_models()
            path = tmp_path / f'block{number}.py'
            path.write_text(code)
            assert Config.fromfile(path, import_custom_modules=False)


def test_the_architecture_page_lists_the_packages_in_the_order_of_the_layers():
    table = (ROOT / 'docs/en/architecture.md').read_text().split('## The packages')[1].split('\n## ')[0]
    assert re.findall(r'^\| `(\w+)` \|', table, re.M) == LAYERS


@pytest.mark.usefixtures('task_models')
def test_python_example_derains_directly_after_loading(tmp_path):
    code = blocks(ROOT / 'docs/en/derain_ahead.md', 'python')[0]
    assert len(code.splitlines()) == 5
    (tmp_path / 'five.py').write_text(code)
    cfg = Config.fromfile(tmp_path / 'five.py')
    kinds = [step.type for step in cfg.test_dataloader.dataset.pipeline]
    assert kinds[:3] == ['LoadImageFromFile', 'mmderain.Derain', 'Resize']


# --- commands that are run --------------------------------------------------------------------------

#: Matches commands that the tests do not run. Most of them need something that is not in the repository: data sets,
#: weights of authors, packages, or values that the reader chooses (words in capitals). The others set up or serve
#: something, or take minutes.
NOT_RUN = re.compile(
    r'~/|data/|sian_rain100l|_bsds|camvid|rtmdet|my_pairs|my_training|/mine/|Tensorboard|6000x8000|\b[A-Z][A-Z_]{3,}\b'
    r'|^(?:make|pip|source|bash|mmderain web)\b'
)
#: Options that shorten the trainings in the pages.
SHORT_TRAINING = ['--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'param_scheduler.0.T_max=2']
#: Maps each page to the beginnings of its commands, and each beginning to the files that the command writes. The
#: commands run in the order of the page.
RUN = {
    'README.md': {
        'mmderain derain': ['derained/rainy.jpg'],
        'python tools/train.py': ['work_dirs/sian_sample/iter_2.pth'],
        'mmderain detect': ['work_dirs/detected/00670.jpg'],
    },
    'docs/en/tutorial_train.md': {
        'python tools/browse_dataset.py': ['work_dirs/browse/sian_sample_train.png'],
        'python tools/train.py': ['work_dirs/tutorial/iter_2.pth'],
        'python tools/test.py': ['work_dirs/tutorial/scores/metrics.json', 'work_dirs/tutorial/shown/panels/home.png'],
        'mmderain derain': ['work_dirs/tutorial/derained/home.png'],
        'python tools/evaluate_folder.py': [],
    },
    'docs/en/tutorial_detector.md': {
        'python tools/test.py my_detector.py': [],
        'python tools/test.py my_rainy.py': [],
        'python tools/test.py my_derained.py': [],
        'python tools/browse_dataset.py': ['work_dirs/browse/my_derained_test.png'],
        'python tools/joint_test.py': ['work_dirs/joint_test/my_detector/table.md'],
    },
    'docs/en/tutorial_scene.md': {
        "mmderain detect 'demo/street/*.jpg'": ['work_dirs/scene/detected/00740.jpg'],
        'mmderain segment': ['work_dirs/scene/segmented/00670.jpg'],
        'python demo/scene_demo.py': ['work_dirs/scene/both/segmentor/00670.jpg'],
        'python demo/image_demo.py': ['work_dirs/scene/image.png'],
        'python demo/video_demo.py': ['work_dirs/scene/video/derained.mp4'],
    },
    'docs/en/index.md': {
        'mmderain rain': ['work_dirs/rainy/rain/home.png', 'work_dirs/rainy/manifest.jsonl'],
        'mmderain derain work_dirs/rainy/rain --out work_dirs/derained': ['work_dirs/derained/coffee.png'],
        'mmderain derain work_dirs/rainy/rain --out work_dirs/derained_': ['work_dirs/derained_by_demo/home.png'],
        'python tools/evaluate_folder.py': [],
    },
    'docs/en/inference.md': {
        'mmderain derain rainy.jpg': ['derained/rainy.jpg'],
        'mmderain derain holiday/': ['derained/beach.png', 'derained/late/night.jpg', 'derained/clip.mp4'],
        'mmderain derain demo/street/street.mp4': ['derained/street.mp4'],
        'mmderain detect rainy.jpg': ['work_dirs/detected_rainy/rainy.jpg'],
        'mmderain segment': ['work_dirs/segmented/00610.jpg', 'work_dirs/segmented/00740.jpg'],
        'python tools/dev/compare_tiles.py sian': [],
    },
    'docs/en/model_zoo.md': {
        'mmderain models': [],
        'mmderain cache': [],
        'mmderain convert': ['sian_rain100h.pth'],
        'mmderain derain': ['derained/rainy.png'],
    },
    'docs/en/networks.md': {'python tools/get_complexity.py': []},
    'docs/en/deployment.md': {
        'python tools/benchmark.py': ['work_dirs/benchmark'],
        'python tools/export.py': ['derainer.onnx'],
    },
    'docs/en/rain.md': {
        'mmderain rain': ['work_dirs/rainy/layer/china.png'],
        'python tools/browse_dataset.py': ['work_dirs/browse'],
    },
    'docs/en/training.md': {'python tools/benchmark_feeding.py': []},
}


def write_what_readers_have(checkout):
    """Write the files that the pages expect the reader to have: images, a short video and weights."""
    demo = init_model(ROOT / 'configs/derain/sian_sample.py').state_dict()
    for run in ('sample_demo', 'tutorial'):
        save_weights(checkout / f'work_dirs/{run}/iter_900.pth', demo, {})
    torch.save(fill(authors_keys('sian'), 1), checkout / 'rain100h.pth')
    for name in ('rainy.jpg', 'rainy.png', 'street.jpg', 'holiday/beach.png', 'holiday/late/night.jpg'):
        mmcv.imwrite(smooth_image(96, 128), str(checkout / name))
    write_frames([smooth_image(48, 64, seed) for seed in range(3)], checkout / 'clip.mp4', 10)


@pytest.mark.soak
@pytest.mark.parametrize('page', RUN)
def test_documented_commands_run(page, tmp_path):
    """Run the commands and the Python programs of a page in a copy of the checkout.

    Untrained weights replace the results of the long trainings in `make demo` and in the tutorial.
    """
    checkout = tmp_path / 'mmderain'
    left_out = shutil.ignore_patterns('.git', '.venv*', 'work_dirs', 'data', 'site', 'build', 'dist', '__pycache__')
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=left_out)
    write_what_readers_have(checkout)
    write_named_blocks(checkout / page, checkout)
    heads = {'python': [sys.executable], 'mmderain': [sys.executable, '-m', 'mmderain.cli']}
    environment = {
        'PYTHONPATH': str(checkout),
        'PATH': '/usr/bin:/bin',
        'OMP_NUM_THREADS': str(torch.get_num_threads()),
    }

    def run(*command):
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f'{command}: {done.stdout[-1000:]}{done.stderr[-2000:]}'

    met = set()
    for script in blocks(checkout / page, 'bash'):
        for command, *arguments in commands(script):
            line = shlex.join([command, *arguments])
            if NOT_RUN.search(line):
                continue
            if arguments[:2] == ['tools/train.py', 'configs/derain/sian_sample.py']:
                arguments += SHORT_TRAINING
            globbed = [sorted(map(str, checkout.glob(word))) if '*' in word else [word] for word in arguments]
            run(*heads[command], *itertools.chain(*globbed))
            print(f'ran: {line}')
            for start, files in RUN[page].items():
                if line.startswith(start):
                    met.add(start)
                    assert not [file for file in files if not (checkout / file).exists()], line
    assert met == set(RUN[page])
    if page in ('README.md', 'docs/en/tutorial_detector.md'):
        for code in blocks(checkout / page, 'python'):
            if '_base_ = ' not in code:
                run(sys.executable, '-c', code)
