from pathlib import Path

import mmcv
import pytest
from conftest import smooth_image, write_pairs

from mmderain.datasets import PairedImageDataset
from mmderain.datasets.pairing import NameTemplate, pair_by_name
from mmderain.errors import InputError

RAIN100 = dict(type='prefix', img='rain-', gt='norain-')


def paths(*names):
    return [Path(name) for name in names]


@pytest.mark.parametrize(
    'pairing, rainy, clean',
    [
        ('same_name', 'a/7.png', 'a/7.jpg'),
        (RAIN100, 'rain-7.png', 'norain-7.png'),
        (dict(type='template', img='{id}_{version}', gt='{id}'), '901_14.jpg', '901.jpg'),  # Rain1400
        (dict(type='template', img='norain-{id}x2', gt='norain-{id}'), 'norain-7x2.png', 'norain-7.png'),  # Rain200
        (dict(type='template', img='{n:d}_in', gt='{n:d}_GT'), '007_in.png', '7_GT.png'),  # 007 and 7 are equal
    ],
)
def test_pairing_rules_find_the_clean_image_among_similar_names(pairing, rainy, clean):
    decoys = paths('8.jpg', 'norain-70.png', 'norain-8.png', '90.jpg', '70_GT.png', 'b/7.jpg')
    pairs, foreign, alone = pair_by_name(paths(rainy), decoys + paths(clean), pairing)
    assert pairs == [(Path(rainy), Path(clean))] and not foreign and not alone


def test_pairs_do_not_depend_on_sorted_positions():
    # In alphabetical order, norain-10 comes before norain-2. The first rainy image is rain-2.
    pairs, _, _ = pair_by_name(paths('rain-2.png', 'rain-10.png'), paths('norain-10.png', 'norain-2.png'), RAIN100)
    assert pairs == [(Path('rain-2.png'), Path('norain-2.png')), (Path('rain-10.png'), Path('norain-10.png'))]


def test_masks_and_images_without_partner_are_reported():
    pairs, foreign, alone = pair_by_name(
        paths('rain-1.png', 'rainmask-1.png', 'rain-3.png'), paths('norain-1.png', 'norain-2.png'), RAIN100
    )
    assert len(pairs) == 1 and foreign == paths('rainmask-1.png') and alone == paths('rain-3.png')


def test_two_clean_images_with_the_same_name_are_refused():
    with pytest.raises(ValueError, match='ambiguous: the clean images 7.jpg and 7.png'):
        pair_by_name(paths('7.bmp'), paths('7.jpg', '7.png'), 'same_name')


@pytest.mark.parametrize('rule', ['same_name', dict(type='prefix', img='rain-', gt='norain-'), 'number'])
def test_suffixes_tell_clean_images_with_the_same_name_apart(rule):
    """The second name of each pair is the name that `mmderain derain --keep-suffix` gives to a result."""
    img, gt = ('', '') if rule == 'same_name' else ('rain-', 'norain-')
    rule = dict(type='template', img='rain-{id:d}', gt='norain-{id:d}') if rule == 'number' else rule
    clean = paths(*(f's/{gt}7{suffix}' for suffix in ('.gif', '.JPG', '.jpg', '.png')))
    rainy = paths(*(f's/{img}7{suffix}' for suffix in ('.gif.png', '.JPG', '.jpg.png', '.png')))
    pairs, foreign, alone = pair_by_name(rainy, clean, rule)
    assert pairs == list(zip(rainy, clean, strict=True)) and foreign == alone == []
    assert pair_by_name(paths(f's/{img}7.bmp.png'), clean[:1], rule).alone == paths(f's/{img}7.bmp.png')


def test_a_name_that_fits_a_template_in_two_ways_is_refused():
    rule = dict(type='template', img='{id}_{version}', gt='{id}')
    with pytest.raises(ValueError, match="'city_2_1' matches the pairing template .* in more than one way"):
        pair_by_name(paths('city_2_1.png'), paths('city.png', 'city_2.png'), rule)
    rule['img'] = '{id}_{version:d}'
    with pytest.raises(ValueError, match='more than one way'):
        NameTemplate('{a}_{b}').match('1_2_3')
    assert pair_by_name(paths('city_2_1.png'), paths('city_2.png'), rule)[0] == [
        (Path('city_2_1.png'), Path('city_2.png'))
    ]


def test_the_grid_of_patches_uses_the_size_after_the_exif_rotation(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    for folder in ('rain', 'norain'):
        (tmp_path / folder).mkdir()
        Image.fromarray(smooth_image(130, 200)).save(tmp_path / folder / '1.jpg', exif=exif)
    pipeline = [*LOAD, dict(type='CropPatch')]
    data = PairedImageDataset(str(tmp_path), patches=dict(size=120, stride=40), pipeline=pipeline)
    assert len(data) == 3 and all(data[i]['img'].shape == (120, 120, 3) for i in range(3))


def test_template_matches_the_whole_name():
    assert NameTemplate('{id}_{v}').match('12_3') == dict(id='12', v='3')
    assert NameTemplate('norain-{id}x2').match('norain-7x3') is None
    with pytest.raises(ValueError, match=r"uses the fields \['scene'\]"):
        pair_by_name([], [], dict(type='template', img='{id}', gt='{scene}'))
    with pytest.raises(ValueError, match="found 'sorted'"):
        pair_by_name([], [], 'sorted')


LOAD = [dict(type='LoadPairedImages')]


def test_dataset_returns_matching_pairs(tmp_path):
    write_pairs(tmp_path, [1, 2, 10])
    data = PairedImageDataset(str(tmp_path), pairing=RAIN100, pipeline=LOAD)
    assert [data.get_data_info(i)['name'] for i in range(3)] == ['rain-1.png', 'rain-10.png', 'rain-2.png']
    for item in (data[i] for i in range(3)):
        assert (item['img'] - item['gt_img'] == 20).all()


@pytest.mark.parametrize('clean', ['left', 'right'])
def test_side_by_side_files_are_split_in_both_orders(tmp_path, clean):
    mmcv.imwrite(smooth_image(20, 30), str(tmp_path / '1.png'))
    data = PairedImageDataset(str(tmp_path), dict(img=''), dict(type='side_by_side', clean=clean), pipeline=LOAD)
    halves = smooth_image(20, 30)[:, :15], smooth_image(20, 30)[:, 15:]
    gt, img = halves if clean == 'left' else halves[::-1]
    assert (data[0]['gt_img'] == gt).all() and (data[0]['img'] == img).all()


def test_odd_width_side_by_side_is_refused(tmp_path):
    mmcv.imwrite(smooth_image(20, 31), str(tmp_path / '1.png'))
    rule = dict(type='side_by_side', clean='left')
    with pytest.raises(ValueError, match='1.png: width 31 is odd'):
        PairedImageDataset(str(tmp_path), dict(img=''), rule, pipeline=LOAD)[0]
    with pytest.raises(ValueError, match="clean='left' or 'right', found None"):
        PairedImageDataset(str(tmp_path), dict(img=''), dict(type='side_by_side'))


def test_errors_for_missing_partners_data_and_rules_say_what_to_do(tmp_path):
    write_pairs(tmp_path, [1, 2])
    (tmp_path / 'norain/norain-2.png').unlink()
    with pytest.raises(ValueError, match=r"1 of 2 rainy images .* for example \['rain-2.png'\]"):
        PairedImageDataset(str(tmp_path), pairing=RAIN100)
    with pytest.raises(ValueError, match='no name in .* matches the pairing rule'):
        PairedImageDataset(str(tmp_path), pairing=dict(type='prefix', img='wet-', gt='norain-'))
    source = dict(name='Rain100L', published_at='https://example.org', layout='data/rain100l/test/rain/rain-001.png')
    with pytest.raises(FileNotFoundError) as error:
        PairedImageDataset(str(tmp_path / 'nowhere'), source=source)
    for part in ('Rain100L', str(tmp_path / 'nowhere' / 'rain'), *source.values(), 'does not exist', 'data_root'):
        assert part in str(error.value)


def test_ann_file_selects_images(tmp_path):
    write_pairs(tmp_path, [1, 2, 3])
    (tmp_path / 'list.txt').write_text('rain-3.png\nrain-1.png\n')
    data = PairedImageDataset(str(tmp_path), pairing=RAIN100, ann_file='list.txt')
    assert [data.get_data_info(i)['name'] for i in range(len(data))] == ['rain-3.png', 'rain-1.png']
    (tmp_path / 'list.txt').write_text('rain-9.png\n')
    with pytest.raises(FileNotFoundError, match=r"lists 1 images .* \['rain-9.png'\]"):
        PairedImageDataset(str(tmp_path), pairing=RAIN100, ann_file='list.txt')
    with pytest.raises(FileNotFoundError, match='run this tool'):
        PairedImageDataset(str(tmp_path), pairing=RAIN100, ann_file='no.txt', source=dict(ann_file='run this tool'))


@pytest.mark.parametrize(
    'content',
    [
        b'\nsub/rain-3.png\r\n\r\n  rain-1.png\n\n',
        b'\xef\xbb\xbfsub/rain-3.png\nrain-1.png',
        'sub/rain-3.png\nrain-1.png\n'.encode('utf-16'),
        b'sub\\rain-3.png\nrain-1.png\n',
    ],
    ids=['empty lines', 'byte order mark', 'UTF-16', 'backslash'],
)
def test_ann_file_may_come_from_other_programs(tmp_path, content):
    write_pairs(tmp_path, [1])
    write_pairs(tmp_path / 'other', [3])
    for folder in ('rain', 'norain'):
        (tmp_path / 'other' / folder).rename(tmp_path / folder / 'sub')
    (tmp_path / 'list.txt').write_bytes(content)
    data = PairedImageDataset(str(tmp_path), pairing=RAIN100, ann_file='list.txt')
    assert [data.get_data_info(i)['name'] for i in range(len(data))] == ['sub/rain-3.png', 'rain-1.png']


def test_ann_file_of_another_encoding_is_refused(tmp_path):
    write_pairs(tmp_path, [1])
    (tmp_path / 'list.txt').write_bytes('rain-ä.png\n'.encode('cp1252'))
    with pytest.raises(InputError, match='list.txt: is not text in UTF-8 .*; save it again as UTF-8'):
        PairedImageDataset(str(tmp_path), pairing=RAIN100, ann_file='list.txt')


def test_files_that_are_passed_over_are_logged(tmp_path, capsys):
    write_pairs(tmp_path, [1])
    (tmp_path / 'rain/rain-2.xyz').touch()
    PairedImageDataset(str(tmp_path), pairing=RAIN100)
    assert f'{tmp_path / "rain"}: skipped 1 file: .xyz' in capsys.readouterr().out


def test_errors_for_unequal_sizes_and_unreadable_files_name_the_file(tmp_path):
    write_pairs(tmp_path, [1])
    mmcv.imwrite(smooth_image(40, 49), str(tmp_path / 'norain/norain-1.png'))
    data = PairedImageDataset(str(tmp_path), pairing=RAIN100, pipeline=LOAD)
    with pytest.raises(ValueError, match=r'rain-1.png is 40x50, .*norain-1.png is 40x49'):
        data[0]
    (tmp_path / 'norain/norain-1.png').write_bytes(b'not an image')
    with pytest.raises(ValueError, match='norain-1.png: cannot be read as an image'):
        data[0]


def test_patches_form_a_grid_and_are_mirrored(tmp_path):
    write_pairs(tmp_path, [1], size=(321, 481))
    pipeline = [*LOAD, dict(type='CropPatch')]
    patches = dict(size=120, stride=40, hflip=True)
    data = PairedImageDataset(str(tmp_path), pairing=RAIN100, patches=patches, pipeline=pipeline)
    # SIAN's preparation of Rain100L has (481 - 120) // 40 + 1 = 10 columns and (321 - 120) // 40 + 1 = 6 rows of
    # patches. Each patch is also used mirrored.
    assert len(data) == 2 * 60
    whole = PairedImageDataset(str(tmp_path), pairing=RAIN100, pipeline=LOAD)[0]
    assert (data[11]['img'] == whole['img'][40:160, 40:160]).all()
    assert (data[71]['gt_img'] == whole['gt_img'][40:160, 159:39:-1]).all()
    with pytest.raises(ValueError, match='321x481 pixels, smaller than a patch of 322x322'):
        PairedImageDataset(str(tmp_path), pairing=RAIN100, patches=dict(size=322, stride=40))
