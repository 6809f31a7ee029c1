"""Shards are derained to shards with the same members."""

import json
from threading import Event

import numpy as np
import pytest
import torch
from conftest import needs_aiohttp, smooth_image

from mmderain.apis import DerainInferencer, Shard
from mmderain.apis.tar_shards import TarShard, _MemberSources
from mmderain.cli import main
from mmderain.errors import InputError
from mmderain.io import decode_image_bytes, encode_image
from mmderain.io.remote import RemotePath
from mmderain.io.tar_shards import Member, open_shard, read_members, write_shard
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class DarkenShard(torch.nn.Module):
    """Network without weights that subtracts 20 levels."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 20 / 255]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='DarkenShard')), default_scope='mmderain')


@pytest.fixture(scope='module')
def inferencer():
    return DerainInferencer(CONFIG)


def image(seed: int) -> np.ndarray:
    return np.clip(smooth_image(12, 16, seed), 20, 255)


def write_members(path, *members: tuple[str, bytes]) -> None:
    with write_shard(path) as writer:
        for name, content in members:
            writer.add(Member(name, content, 1_700_000_000))


def sample(number: int) -> list[tuple[str, bytes]]:
    """Return an image, a label image and a JSON file."""
    content = encode_image(image(number), '.png')
    return [(f'{number:06}.{kind}', data) for kind, data in (('json', b'{}'), ('png', content), ('seg.png', content))]


def read(path) -> list[Member]:
    with open_shard(path) as file:
        return list(read_members(file, str(path)))


@pytest.fixture
def shards(tmp_path):
    """Return a folder with two shards of three samples each."""
    for number in range(2):
        members = [member for n in range(3) for member in sample(3 * number + n)]
        write_members(tmp_path / 'in' / f'{number:03}.tar', *members, ('readme.txt', b'end'))
    return tmp_path / 'in'


def test_images_are_replaced_and_all_other_members_are_copied(inferencer, shards, tmp_path):
    names = [str(shards / '000.tar'), shards / '001.tar']
    results = list(inferencer.stream(names, out_dir=tmp_path / 'out', batch_size=2))
    assert [r.name for r in results] == [f'{shards}/{n // 3:03}.tar/{n:06}.png' for n in range(6)]
    assert [r.prediction for r in results] == [tmp_path / 'out' / f'{n // 3:03}.tar' for n in range(6)]
    assert [r.size for r in results] == [(12, 16)] * 6
    for number in range(2):
        before, after = (read(folder / f'{number:03}.tar') for folder in (shards, tmp_path / 'out'))
        assert [(m.name, m.modified) for m in before] == [(m.name, m.modified) for m in after]
        changed = [(a, b) for a, b in zip(before, after) if a.content != b.content]
        assert [a.suffix for a, _ in changed] == ['.png'] * 3
        for old, new in changed:
            old, new = (decode_image_bytes(m.content, m.name).to_uint8() for m in (old, new))
            assert np.array_equal(new, old - 20)


def test_patterns_urls_and_parts(inferencer, shards, tmp_path):
    pytest.importorskip('braceexpand', reason='needs the extra [remote]')
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    pattern, out = str(shards / '{000..001}.tar'), 'memory://tar_shards/out'
    inferencer(pattern, out_dir=tmp_path / 'local')
    parts = [list(inferencer.stream(pattern, out_dir=out, shard=Shard(index, 2))) for index in range(2)]
    assert sum(len(part) for part in parts) == 6
    inferencer(f'{out}/{{000..001}}.tar', out_dir=tmp_path / 'twice')
    for name in ('000.tar', '001.tar'):
        local = (tmp_path / 'local' / name).read_bytes()
        assert RemotePath.parse(f'{out}/{name}').read_bytes() == local


def test_a_damaged_member_is_left_out_and_the_rest_is_derained(inferencer, tmp_path):
    members = [*sample(0), ('000001.png', b'no image'), *sample(2)]
    write_members(tmp_path / 'a.tar', *members)
    results = inferencer([tmp_path / 'a.tar'], out_dir=tmp_path / 'out')
    name = f'{tmp_path}/a.tar/000001.png'
    assert list(results.failures) == [name]
    assert results.failures[name].startswith(f'{name}: cannot be read as an image (it is damaged or of an unknown')
    assert [m.name for m in read(tmp_path / 'out' / 'a.tar')] == [m[0] for m in members if m[0] != '000001.png']


def test_a_shard_that_is_cut_off_is_derained_up_to_the_cut(inferencer, shards, tmp_path):
    content = (shards / '000.tar').read_bytes()
    (shards / '000.tar').write_bytes(content[: content.index(b'000002.png') + 600])
    results = inferencer(sorted(shards.iterdir()), out_dir=tmp_path / 'out')
    assert results.failures == {
        f'{shards}/000.tar': f"{shards}/000.tar: is cut off or damaged after the member '000002.json' (unexpected end "
        'of data). Replace this shard'
    }
    members = [name for n in range(2) for name, _ in sample(n)]
    assert [m.name for m in read(tmp_path / 'out' / '000.tar')] == [*members, '000002.json']
    assert len(read(tmp_path / 'out' / '001.tar')) == 10


def test_a_shard_without_images_fails_and_names_the_types_it_has(inferencer, tmp_path):
    write_members(tmp_path / 'a.tar', ('1.seg.png', b''), ('1.json', b''))
    (tmp_path / 'b.tar').write_bytes(b'')
    a, b, c = names = [str(tmp_path / name) for name in ('a.tar', 'b.tar', 'c.tar')]
    assert inferencer(names, out_dir=tmp_path / 'out').failures == {
        a: f'{a}: contains no image; expected members of the types .png, .jpg, .jpeg, .bmp, .tif, .tiff, .webp, found '
        '.json, .seg.png',
        b: f'{b}: is cut off or damaged at its beginning (empty file). Replace this shard',
        c: f'{c}: cannot be read (No such file or directory)',
    }
    assert list((tmp_path / 'out').iterdir()) == []


def test_members_before_the_first_image_are_not_kept_in_memory(tmp_path):
    write_members(tmp_path / 'a.tar', ('1.json', b'{}'), *sample(2), ('3.json', b'{}'))
    with open_shard(tmp_path / 'a.tar') as file, write_shard(tmp_path / 'b.tar') as writer:
        shard = TarShard(tmp_path / 'a.tar', tmp_path / 'b.tar')
        sources = _MemberSources(shard, read_members(file, 'a.tar'), writer)
        iterator, pending = iter(sources), []
        for _ in iterator:
            pending.append([member.name for member in sources.pending])
        assert pending == [['000002.png']]
        assert [member.name for member in sources.pending] == ['000002.png', '000002.seg.png', '3.json']
    assert [member.name for member in read(tmp_path / 'b.tar')] == ['1.json', '000002.json']


def test_a_stopped_call_writes_only_complete_shards_and_the_next_call_completes_them(inferencer, shards, tmp_path):
    names, log, stop = sorted(shards.iterdir()), tmp_path / 'log.jsonl', Event()
    done = []
    for result in inferencer.stream(names, out_dir=tmp_path / 'out', log=log, stop=stop):
        done.append(result)
        stop.set()  # after the first shard
    assert [r.name for r in done] == [f'{shards}/000.tar/{n:06}.png' for n in range(3)]
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['000.tar']
    stop.set()
    assert list(inferencer.stream(names, out_dir=tmp_path / 'out2', stop=stop)) == []
    rest = list(inferencer.stream(names, out_dir=tmp_path / 'out', log=log, existing='skip'))
    assert [r.name for r in rest] == [f'{shards}/001.tar/{n:06}.png' for n in range(3, 6)]
    assert [json.loads(line)['output'] for line in log.read_text().splitlines()] == (
        [f'{tmp_path}/out/000.tar'] * 3 + [f'{tmp_path}/out/001.tar'] * 3
    )


def test_a_stop_in_the_middle_of_a_shard_leaves_no_shard(inferencer, tmp_path):
    write_members(tmp_path / 'a.tar', *(member for number in range(60) for member in sample(number)))
    stop = Event()
    hook = inferencer.model.network.register_forward_hook(lambda *_: stop.set())
    assert list(inferencer.stream([tmp_path / 'a.tar'], out_dir=tmp_path / 'out', stop=stop)) == []
    hook.remove()
    assert list((tmp_path / 'out').iterdir()) == []


def test_existing_shards_are_refused_kept_or_replaced(inferencer, shards, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / '000.tar').write_bytes(b'old')
    call = dict(inputs=shards / '000.tar', out_dir=tmp_path / 'out')
    (result,) = inferencer.stream(**call)
    assert result.reason.startswith(f"{tmp_path}/out/000.tar: already exists; use existing='replace' or 'skip'")
    (result,) = inferencer.stream(**call, existing='skip')
    assert result.skipped and (tmp_path / 'out' / '000.tar').read_bytes() == b'old'
    assert len(list(inferencer.stream(**call, existing='replace'))) == 3
    assert len(read(tmp_path / 'out' / '000.tar')) == 10


@pytest.mark.parametrize(
    'inputs, out_dir, message',
    [
        (['in/000.tar'], None, 'in/000.tar: derained shards must be written to a folder; set out_dir'),
        (['in/000.tar', 'a.png'], 'out', 'in/000.tar: is a shard, but other inputs are not; derain'),
        (['in/000.tar', 'b/000.tar'], 'out', 'in/000.tar and b/000.tar: both would be written to out/000.tar; derain'),
        (['in/000.tar', 'in/000.tar'], 'out', 'in/000.tar: is named twice; name each shard once'),
        (['in/000.tar'], 'in', 'in/000.tar: its result would overwrite the input; name another output folder'),
        (['in/000.tar'], 'other/../in', 'in/000.tar: its result would overwrite the input; name another output folder'),
        pytest.param(
            ['in/000.tar'],
            'https://host',
            'https://host: web servers are read only; expected a local folder',
            marks=needs_aiohttp,
        ),
        (['in/000.tar'], 'in/001.tar/out', 'in/001.tar/out: in/001.tar is a file; expected a folder for the results'),
    ],
)
def test_wrong_calls_are_refused_before_anything_is_derained(
    inferencer, shards, tmp_path, monkeypatch, inputs, out_dir, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'other').mkdir()
    with pytest.raises(InputError) as caught:
        inferencer.stream(inputs, out_dir=out_dir)
    assert str(caught.value).startswith(message)


def test_the_command_derains_shards(shards, tmp_path, capsys):
    assert (
        main(
            [
                'derain',
                str(shards / '000.tar'),
                '--out',
                str(tmp_path / 'out'),
                '--model',
                'nafnet',
                '--precision',
                'fp32',
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == f'3 of 3 inputs derained; the results are in {tmp_path}/out\n'
    assert len(read(tmp_path / 'out' / '000.tar')) == 10


def test_merge_logs_lists_what_is_missing_in_shards(inferencer, shards, tmp_path, capsys):
    content = (shards / '001.tar').read_bytes()
    (shards / '001.tar').write_bytes(content[: content.index(b'000005.png') + 600])
    log, names = tmp_path / 'log.jsonl', [str(shards / '000.tar'), str(shards / '001.tar')]
    list(inferencer.stream([names[1]], out_dir=tmp_path / 'out', log=log))
    assert main(['merge-logs', str(log), '--inputs', *names]) == 1
    lines = capsys.readouterr().out.splitlines()
    missing = [f'{names[0]}/{number:06}.png' for number in range(3)] + [f'{names[1]}/000005.png']
    assert lines[:4] == [f'missing: {name}' for name in missing]
    assert lines[4].startswith(f"failed: {names[1]}: is cut off or damaged after the member '000005.json'")
    assert lines[5:] == ['2 of 7 inputs are complete, 1 failed, 4 are missing']
    (tmp_path / 'out' / '000.tar').write_bytes(b'complete')
    list(inferencer.stream([names[0]], out_dir=tmp_path / 'out', log=log, existing='skip'))
    assert main(['merge-logs', str(log), '--inputs', names[0]]) == 0
    assert capsys.readouterr().out == '3 of 3 inputs are complete, 0 failed, 0 are missing\n'
