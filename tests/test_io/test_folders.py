"""The images of a folder are found, and what is passed over is counted."""

import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from mmderain.io.folders import expand_pattern, iter_images, iter_names, list_images, skipped_by_suffix
from mmderain.io.image_formats import FORMATS, heic_is_readable


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(folder, **options):
    return [path.as_posix() for path in iter_images(folder, **options)]


@pytest.mark.fault(8, 'io.iter_images', 'io.list_images')
def test_suffixes_of_all_formats_are_found_in_upper_and_lower_case(tmp_path):
    suffixes = [s for name, group in FORMATS.items() for s in group if name != 'HEIF' or heic_is_readable()]
    assert {'.jfif', '.avif', '.jp2', '.ppm', '.pgm', '.gif', '.mpo'} <= set(suffixes)
    make(tmp_path, *(f'a{suffix}' for suffix in suffixes), *(f'B{suffix.upper()}' for suffix in suffixes))
    assert len(names(tmp_path)) == 2 * len(suffixes) == len(list_images(tmp_path))


def test_hidden_files_and_folders_of_programs_are_passed_over(tmp_path):
    make(
        tmp_path, '.ipynb_checkpoints/a.png', '__MACOSX/._a.png', '__MACOSX/a.png', '._b.png', '.git/c.png', 'sub/d.png'
    )
    make(tmp_path, 'sub/@eaDir/d.png/thumb.jpg', 'sub/__MACOSX/e.png')
    assert names(tmp_path) == ['sub/d.png']


def test_the_order_is_that_of_sorted_paths(tmp_path):
    make(tmp_path, 'b/2.png', 'b/10.png', 'a.png', 'a/z.png', 'c.png', 'B.png', 'a b/x.png')
    found = list(iter_images(tmp_path))
    assert found == sorted(found) == list_images(tmp_path) and len(found) == 7


def test_a_folder_is_never_an_image(tmp_path):
    make(tmp_path, 'scene.jpg/1.png', 'empty.png/a.txt')
    assert names(tmp_path) == ['scene.jpg/1.png']


def test_linked_folders_are_searched_but_loops_are_not(tmp_path):
    make(tmp_path, 'real/a.png', 'elsewhere/b.png')
    root = tmp_path / 'root'
    make(root, 'sub/c.png')
    (root / 'link').symlink_to(tmp_path / 'elsewhere')
    (root / 'again').symlink_to(tmp_path / 'elsewhere')
    (root / 'sub/up').symlink_to(root)
    (root / 'self').symlink_to(root / 'self')
    (root / 'linked.png').symlink_to(tmp_path / 'real/a.png')
    (root / 'broken.png').symlink_to(tmp_path / 'missing.png')
    skipped = Counter()
    # The broken link is found, so that the reader of the images names it.
    assert names(root, skipped=skipped) == ['again/b.png', 'broken.png', 'link/b.png', 'linked.png', 'sub/c.png']
    assert skipped == {'linked folders that form a loop': 1, '': 1}


def test_the_images_are_found_one_after_another(tmp_path):
    make(tmp_path, 'a.png', 'b/c.png')
    found = iter_images(tmp_path)
    assert next(found) == Path('a.png')
    make(tmp_path, 'b/d.png')  # the generator has not opened this folder yet
    assert [path.as_posix() for path in found] == ['b/c.png', 'b/d.png']


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no names with arbitrary bytes')
def test_names_with_any_bytes_are_found(tmp_path):
    name = os.fsdecode(b'\xff\xe4.png')
    make(tmp_path, name)
    assert names(tmp_path) == [name]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        names(tmp_path / 'nowhere')


def test_skipped_files_are_counted_by_suffix(tmp_path):
    make(tmp_path, 'a.png', 'a.MP4', 'b/c.mp4', 'b/d.txt', 'e', '.hidden', 'f.cr2')
    skipped = Counter()
    assert names(tmp_path, skipped=skipped) == ['a.png']
    assert skipped == {'.mp4': 2, '.txt': 1, '': 1, '.cr2': 1}
    expected = 'skipped 5 files: 2 .mp4, 1 without suffix, 1 .cr2 (convert raw files to TIFF or JPEG first), 1 .txt'
    assert skipped_by_suffix(skipped) == expected


@pytest.mark.parametrize(
    'skipped, text',
    [
        ({}, ''),
        ({'.txt': 0}, ''),
        ({'.heic': 3}, 'skipped 3 files: .heic (to read them: pip install pillow-heif)'),
        ({'.txt': 1}, 'skipped 1 file: .txt'),
    ],
)
def test_the_text_on_skipped_files(skipped, text):
    assert skipped_by_suffix(skipped) == text


def test_patterns_are_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, 'b.png', 'a.png', 'c[1].png', 'sub/d.png')
    assert expand_pattern('[ab].png') == ['a.png', 'b.png']
    assert expand_pattern('**/d.png') == [str(Path('sub/d.png'))]
    assert expand_pattern('c[1].png') == ['c[1].png']  # the name of a file
    assert expand_pattern('*.jpg') == ['*.jpg'] and expand_pattern('a.png') == ['a.png']


def test_a_folder_that_vanishes_during_the_search_does_not_end_it(tmp_path):
    make(tmp_path, 'a.png', 'b/c.png', 'd.png')
    found = iter_names(tmp_path, ['.png'])
    assert next(found) == 'a.png'
    shutil.rmtree(tmp_path / 'b')
    assert list(found) == ['b/', 'd.png']
