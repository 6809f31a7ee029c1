"""The kinds of faulty inputs, and the interfaces that they concern. docs/en/input_faults.md shows these tables.

tests/test_input_faults.py checks that a test with the marker ``fault`` exists for each kind and each interface that it
concerns (see tests/fault_marks.py). ``python tests/input_faults.py`` writes the tables into the page.
"""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

PAGE = ROOT / 'docs/en/input_faults.md'


class Kind(NamedTuple):
    """A kind of faulty inputs.

    Attributes:
        title: name of the kind.
        result: what happens.
        concerns: which interfaces it concerns. The table shows a dash for all others.
    """

    title: str
    result: str
    concerns: str


KINDS = {
    1: Kind(
        'NaN or infinite values from a network',
        'The input fails, and the error gives advice. Ahead of a task model, `on_nonfinite` decides.',
        'those that run a network or measure its results',
    ),
    2: Kind(
        'A training is resumed with another config',
        'The training lists the differences and stops. `--resume-with-config` continues.',
        'those that resume a training',
    ),
    3: Kind(
        'Missing or damaged checkpoints in a work directory',
        'The newest complete checkpoint is used, and a message names the others.',
        'those that resume a training, or write and read its checkpoints',
    ),
    4: Kind(
        'A checkpoint between two updates with accumulated gradients',
        'The checkpoint is saved after the next update. A resumed training has the same weights.',
        'those that write checkpoints of a training',
    ),
    5: Kind(
        'Damaged, rotated and unusual videos',
        'The readable frames are derained, or the video fails with an error that names it.',
        'those that read or write videos',
    ),
    6: Kind(
        'EXIF orientation',
        'All readers return upright pixels, as `PIL.ImageOps.exif_transpose` does.',
        'those that read images',
    ),
    7: Kind(
        'Bit depth, alpha and other channels',
        'They are kept, converted by a [rule](formats.md), or refused with an error.',
        'those that read, write or measure images',
    ),
    8: Kind(
        'Formats that are rare or cannot be read',
        'Rare formats are read. A message gives the number of other files and their suffixes.',
        'those that read images, or search folders for them',
    ),
    9: Kind(
        'Damaged files, long names, and names that are not valid UTF-8',
        'Only this file fails, and the error names it.',
        'those that read or write files of users',
    ),
    10: Kind(
        'Folders: hidden files, links, loops, equal result names, patterns, empty paths',
        'Hidden folders are skipped, links are followed once, and no result replaces another file.',
        'those that search folders, expand patterns, or choose the names of several result files',
    ),
    11: Kind(
        'Objects, arrays, lists, configs and checkpoints in Python',
        'They are accepted and not changed, or refused with an error that names them.',
        'those that take objects of Python, or read lists or checkpoints',
    ),
    12: Kind(
        'Data sets of millions of images',
        'A sampler needs some bytes for each image.',
        'those that choose the order of the images',
    ),
}

#: Maps each interface to the kinds that concern it: commands, tools, and public Python names without ``mmderain.``.
INTERFACES: dict[str, tuple[int, ...]] = {
    'mmderain convert': (11,),
    'mmderain derain': (1, 5, 6, 7, 8, 9, 10, 11),
    'mmderain detect': (1, 5, 6, 7, 8, 9, 10, 11),
    'mmderain joint-test': (1, 6, 7, 8, 9, 11),
    'mmderain merge-logs': (9, 10),
    'mmderain rain': (6, 7, 8, 9, 10),
    'mmderain segment': (1, 5, 6, 7, 8, 9, 10, 11),
    'mmderain web': (1, 6, 7, 8, 9, 11),
    'tools/benchmark.py': (11,),
    'tools/browse_dataset.py': (6, 7, 8, 9),
    'tools/evaluate_folder.py': (6, 7, 8, 9, 10),
    'tools/export.py': (1, 11),
    'tools/prepare_dataset.py': (5, 6, 7, 8, 9, 10),
    'tools/test.py': (1, 6, 7, 8, 9, 10, 11),
    'tools/train.py': (1, 2, 3, 4, 6, 7, 8, 9, 11),
    'apis.DerainInferencer': (1, 5, 6, 7, 8, 9, 10, 11),
    'apis.Plan': (9, 10),
    'apis.Shard': (10,),
    'apis.derain_video': (1, 5, 9),
    'apis.export_derainer': (1,),
    'apis.init_model': (11,),
    'apis.load_exported': (1, 11),
    'apis.serve_live': (1, 5),
    'apis.stream_video': (1, 5, 9),
    'apis.trained_derainer': (11,),
    'datasets.ImageFolderDataset': (8, 9, 10),
    'datasets.PairedImageDataset': (8, 9, 10, 11),
    'datasets.SeededSampler': (12,),
    'datasets.transforms.LoadImageFromFile': (6, 7, 8, 9),
    'datasets.transforms.LoadPairedImages': (6, 7, 8, 9),
    'datasets.transforms.SynthesizeRain': (11,),
    'engine.DerainVisualizationHook': (7, 9, 10),
    'engine.SafeCheckpointHook': (3, 4),
    'engine.StopIfNotFiniteHook': (1,),
    'evaluation.ImageQuality': (1, 7),
    'evaluation.measure': (7,),
    'io.DecodedImage': (7, 11),
    'io.VideoOptions': (5,),
    'io.atomic_folder': (9,),
    'io.atomic_write': (9,),
    'io.decode_image': (6, 7, 8, 9),
    'io.decode_image_bytes': (6, 7, 8, 9),
    'io.encode_image': (7, 11),
    'io.expand_pattern': (10,),
    'io.file_sha256': (9,),
    'io.image_from_pillow': (6, 7, 8, 9, 11),
    'io.image_size': (6, 7, 8, 9),
    'io.iter_images': (8, 9, 10),
    'io.list_images': (8, 9, 10),
    'io.read_checkpoint': (3, 9, 11),
    'io.read_frames': (5, 9),
    'io.read_image': (6, 7, 8, 9),
    'io.read_lines': (9, 11),
    'io.read_text': (9, 11),
    'io.safe_name': (9,),
    'io.save_weights': (9,),
    'io.skipped_by_suffix': (8, 10),
    'io.use_safe_loading': (11,),
    'io.write_frames': (5, 9),
    'io.write_image': (7, 9, 11),
    'models.Derainer': (1, 11),
    'models.load_weights': (11,),
    'perception.Derain': (1, 11),
    'perception.DerainBeforeTask': (1, 11),
    'perception.joint_test.ReplaceFromFolder': (6, 7, 8, 9, 10),
    'rain.draw_rain': (11,),
    'rain.synthesize_rain': (11,),
    'web.read_users': (11,),
}

#: Maps the reason why no kind concerns an interface to the names of these interfaces.
OTHERS = {
    'reads no file or object of a user': [
        *('mmderain cache', 'mmderain models', 'tools/get_complexity.py'),
        *('apis.default_device', 'apis.require_device', 'rain.parse_rain', 'rain.register_rain', 'web.is_loopback'),
        *('hub.NamedModel', 'hub.PublishedTaskModel', 'hub.bundled_models', 'hub.config_names', 'hub.find_derainer'),
        *('hub.find_task_model', 'hub.named_models', 'hub.task_models', 'web.bundled_loaders'),
    ],
    'makes its inputs itself, and measures times': [
        *('tools/benchmark_feeding.py', 'tools/benchmark_temporal.py', 'tools/benchmark_video.py'),
    ],
    'is the same program as another one in the table': [
        *('tools/joint_test.py', 'web.build_page', 'web.serving'),
    ],
    'gets images that a reader of the table has read': [
        *('tools/paper_figures.py', 'io.to_bgr_uint8', 'io.to_rgb_tensor', 'datasets.transforms.CropPatch'),
        *('datasets.transforms.DarkenToNight', 'datasets.transforms.DrawBrightObjects'),
        *('datasets.transforms.PackDerainInputs', 'datasets.transforms.PairedRandomCrop'),
        *('datasets.transforms.PairedRandomFlip', 'datasets.transforms.PairedRandomRotate90', 'web.difference'),
        *('models.DerainDataPreprocessor', 'visualization.DerainVisualizer', 'visualization.grid'),
        *('visualization.panel', 'perception.joint_test.MeasuredSteps', 'perception.joint_test.MedianBlur'),
    ],
    'is a part of a training or of a joint test': [
        *('engine.BFloat16OptimWrapper', 'models.SSIMLoss', 'perception.RestorationLossHook'),
        *('perception.joint_test.RecordingEvaluator', 'perception.joint_test.RecordingHook'),
        *('perception.joint_test.align_table', 'perception.joint_test.conditions', 'perception.joint_test.evaluate'),
        *('perception.joint_test.make_table', 'perception.joint_test.markdown_table'),
        *(
            'perception.joint_test.recovery',
            'perception.joint_test.run_condition',
            'perception.joint_test.write_report',
        ),
    ],
    'is a network, a result, a setting or a constant': [
        *('models.SIAN', 'models.JDNet', 'models.MAFNet', 'models.NAFNet', 'models.NASNet', 'models.NetworkSpec'),
        *('models.PixelUnshuffled', 'models.SpandrelNetwork', 'models.Tile', 'apis.Export', 'apis.Inference'),
        *('apis.InputResult', 'apis.VideoReport', 'datasets.SeededIndex', 'evaluation.PROTOCOLS'),
        *('evaluation.UNROUNDED', 'rain.PRESETS', 'rain.REFERENCE_HEIGHT', 'rain.DrawnRain', 'rain.DropPreset'),
        *('rain.MistPreset', 'rain.RainPreset', 'rain.StreakPreset', 'structures.DerainDataSample', 'web.TIME_LIMIT'),
        *('perception.joint_test.Condition', 'perception.joint_test.Result', 'perception.joint_test.TaskModel'),
    ],
}


def concerned() -> list[tuple[int, str]]:
    """Return the pairs of a kind and an interface that it concerns."""
    return [(number, name) for name, numbers in INTERFACES.items() for number in numbers]


def tables(found: dict[tuple[int, str], set[str]]) -> str:
    """Return the tables of the page.

    Args:
        found: the tests of each pair of a kind and an interface, see :func:`fault_marks.collect`.
    """
    lines = ['| | kind | what happens | interfaces that it concerns | tests |', '|---|---|---|---|---|']
    for number, kind in KINDS.items():
        tests = {test for (other, _), names in found.items() if other == number for test in names}
        files = sorted({test.removeprefix('tests/').partition('::')[0] for test in tests})
        cells = kind.title, kind.result, kind.concerns, ', '.join(f'`{file}`' for file in files)
        lines.append(f'| {number} | {" | ".join(cells)} |')
    lines += ['', '| | ' + ' | '.join(map(str, KINDS)) + ' |', '|---' + '|:-:' * len(KINDS) + '|']
    for name in INTERFACES:
        cells = ['✓' if (number, name) in found else '–' for number in KINDS]
        lines.append(f'| `{name}` | {" | ".join(cells)} |')
    lines += ['', '| interfaces that no kind concerns | reason |', '|---|---|']
    lines += [f'| {", ".join(f"`{name}`" for name in names)} | {reason} |' for reason, names in OTHERS.items()]
    return '\n'.join(lines) + '\n'


def page(text: str, found: dict[tuple[int, str], set[str]]) -> str:
    """Return the text of the page with other tables."""
    return re.sub(r'^\| \|.*\|\n(?=\n*[^|\n])', lambda _: tables(found), text, count=1, flags=re.DOTALL | re.MULTILINE)


if __name__ == '__main__':
    from fault_marks import collect

    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(PAGE.read_text(encoding='utf-8'), collect(Path(folder) / 'marks')), encoding='utf-8')
