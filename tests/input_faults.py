"""The kinds of faulty inputs: what happens, which tests check it, and which parts of mmderain they concern.

tests/test_input_faults.py checks these tables, and that docs/en/input_faults.md shows them.
"""

import ast
from dataclasses import dataclass

from conftest import ROOT


@dataclass
class Kind:
    """A kind of faulty inputs.

    Attributes:
        title: name of the kind.
        result: what happens.
        tests: test files without ``tests/`` and ``.py``, and without ``test_`` before each part.
    """

    title: str
    result: str
    tests: list[str]

    def files(self):
        """Return the paths of the test files."""
        names = ['/'.join(f'test_{part}' for part in test.split('/')) for test in self.tests]
        return [ROOT / 'tests' / f'{name}.py' for name in names]


KINDS = {
    1: Kind(
        'NaN or infinite values from a network',
        'The input fails, and the error gives advice. Ahead of a task model, `on_nonfinite` decides.',
        ['not_finite', 'models/finite', 'engine/non_finite_hook'],
    ),
    2: Kind(
        'A training is resumed with another config',
        'The training lists the differences and stops. `--resume-with-config` continues.',
        ['engine/config_differences', 'engine/resume_config'],
    ),
    3: Kind(
        'Missing or damaged checkpoints in a work directory',
        'The newest complete checkpoint is used, and a message names the others.',
        ['engine/resume', 'engine/checkpoint_hook', 'engine/stopping'],
    ),
    4: Kind(
        'A checkpoint between two updates with accumulated gradients',
        'The checkpoint is saved after the next update. A resumed training has the same weights.',
        ['engine/accumulated_gradients'],
    ),
    5: Kind(
        'Damaged, rotated and unusual videos',
        'The readable frames are derained, or the video fails with an error that names it.',
        ['apis/damaged_videos', 'apis/video_streams', 'apis/video_options', 'apis/live_and_sequences', 'io/video'],
    ),
    6: Kind(
        'EXIF orientation',
        'All readers return upright pixels, as `PIL.ImageOps.exif_transpose` does.',
        ['io/orientation', 'io/readers'],
    ),
    7: Kind(
        'Bit depth, alpha and other channels',
        'They are kept, converted by a [rule](formats.md), or refused with an error.',
        ['io/formats', 'io/readers', 'io/odd_files', 'evaluation/sixteen_bits', 'apis/result_names'],
    ),
    8: Kind(
        'Formats that are rare or cannot be read',
        'Rare formats are read. A message gives the number of other files and their suffixes.',
        ['io/formats', 'io/readers', 'io/folders', 'io/passed_over', 'io/odd_files'],
    ),
    9: Kind(
        'Damaged files, long names, and names that are not valid UTF-8',
        'Only this file fails, and the error names it.',
        ['file_names', 'io/files', 'io/damaged', 'io/odd_files', 'apis/run_log', 'perception/joint_test/cache']
        + ['web/uploads'],
    ),
    10: Kind(
        'Folders: hidden files, links, loops, equal result names, patterns, empty paths',
        'Hidden folders are skipped, links are followed once, and no result replaces another file.',
        ['io/folders', 'io/passed_over', 'io/odd_files', 'apis/plan', 'apis/suffixes', 'file_names', 'cli'],
    ),
    11: Kind(
        'Objects, arrays, lists, configs and checkpoints in Python',
        'They are accepted and not changed, or refused with an error that names them.',
        ['apis/inputs_in_memory', 'apis/odd_inputs', 'apis/callers_configs', 'io/checkpoint', 'io/files']
        + ['hostile_checkpoints', 'io/formats'],
    ),
    12: Kind('Data sets of millions of images', 'A sampler needs some bytes for each image.', ['datasets/samplers']),
}

#: Maps each command, tool and public name of mmderain.io and mmderain.apis to the kinds that concern it, or to the
#: reason why no kind does. A test of each of these kinds must use the name, or a function of USED.
INTERFACES: dict[str, tuple[int, ...] | str] = {
    'mmderain derain': (1, 5, 6, 7, 8, 9, 10, 11),
    'mmderain merge-logs': (9,),
    'mmderain detect': (1, 9, 10),
    'mmderain segment': (1, 9, 10),
    'mmderain rain': (6, 7, 8, 9, 10),
    'mmderain joint-test': (1, 6, 7, 8, 9),
    'mmderain models': 'reads no input',
    'mmderain convert': (11,),
    'mmderain cache': 'reads no input',
    'mmderain web': (1, 6, 7, 8, 9),
    'tools/benchmark.py': 'measures the run time of arrays',
    'tools/benchmark_feeding.py': 'measures images that it draws',
    'tools/benchmark_temporal.py': 'measures videos that it draws',
    'tools/benchmark_video.py': 'measures videos that it draws',
    'tools/browse_dataset.py': (6, 7),
    'tools/evaluate_folder.py': (6, 7, 8, 9, 10),
    'tools/export.py': (1,),
    'tools/get_complexity.py': 'reads no input',
    'tools/joint_test.py': (11,),
    'tools/paper_figures.py': 'shows images that `read_image` has read',
    'tools/prepare_dataset.py': (8, 10),
    'tools/test.py': (1, 6, 7),
    'tools/train.py': (2, 3, 4, 12),
    'io.DecodedImage': (7, 11),
    'io.VideoOptions': (5,),
    'io.atomic_folder': (9,),
    'io.atomic_write': (9,),
    'io.decode_image': (6, 7, 8, 9),
    'io.decode_image_bytes': (6, 7, 8, 9),
    'io.encode_image': (7,),
    'io.expand_pattern': (10,),
    'io.file_sha256': (9,),
    'io.image_from_pillow': (7, 11),
    'io.image_size': (6, 7, 8, 9),
    'io.iter_images': (8, 10),
    'io.list_images': (8, 10),
    'io.read_checkpoint': (2, 3, 11),
    'io.read_frames': (5,),
    'io.read_image': (6, 7, 8, 9),
    'io.read_lines': (11,),
    'io.read_text': (11,),
    'io.safe_name': (9,),
    'io.save_weights': 'writes weights; reads no input',
    'io.skipped_by_suffix': (8, 10),
    'io.to_bgr_uint8': 'converts results; reads no input',
    'io.to_rgb_tensor': 'converts images that `read_image` has read',
    'io.use_safe_loading': (11,),
    'io.write_frames': (5,),
    'io.write_image': (7, 9, 11),
    'apis.DerainInferencer': (1, 6, 7, 8, 9, 10, 11),
    'apis.Export': 'a result',
    'apis.Inference': 'a result',
    'apis.InputResult': 'a result',
    'apis.Plan': (7, 10),
    'apis.Shard': (10,),
    'apis.VideoReport': 'a result',
    'apis.default_device': 'reads no input',
    'apis.derain_video': (1, 5),
    'apis.export_derainer': (1,),
    'apis.init_model': (11,),
    'apis.load_exported': (11,),
    'apis.require_device': 'reads no input',
    'apis.serve_live': (5,),
    'apis.stream_video': (5,),
    'apis.trained_derainer': (11,),
}
#: Maps an interface to the functions through which tests use it, if they do not use its own name.
USED = {
    'mmderain detect': ['show_scenes', 'detect'],
    'mmderain segment': ['show_scenes', 'segment'],
    'mmderain joint-test': ['ReplaceFromFolder', 'write_gallery', 'mmderain.Derain', 'LoadImageFromFile'],
    'mmderain web': ['read_upload', 'view_scene'],
    'tools/browse_dataset.py': ['LoadPairedImages', 'PairedImageDataset'],
    'tools/export.py': ['export_derainer'],
    'tools/test.py': ['tool_test', 'LoadPairedImages', 'PairedImageDataset'],
    'tools/train.py': ['train', 'SeededSampler'],
}


def table() -> str:
    """Return the table of the page."""
    lines = ['| | kind | what happens | where | tests |', '|---|---|---|---|---|']
    for number, kind in KINDS.items():
        places = [name for name, kinds in INTERFACES.items() if isinstance(kinds, tuple) and number in kinds]
        where = ', '.join(f'`{name}`' for name in places)
        files = ', '.join(f'`{path.relative_to(ROOT / "tests")}`' for path in kind.files())
        lines.append(f'| {number} | {kind.title} | {kind.result} | {where} | {files} |')
    return '\n'.join(lines)


def words_of(path) -> set[str]:
    """Return the names and the texts in a Python file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Name | ast.FunctionDef):
            found.add(getattr(node, 'id', None) or node.name)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found
