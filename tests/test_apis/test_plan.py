"""The list of the inputs: order, names of the results, collisions, and the number of files that are looked at."""

import os
from pathlib import Path

import pytest

from mmderain.apis.plan import Plan
from mmderain.apis.shards import Shard
from mmderain.errors import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def outcome(plan: Plan) -> dict[str, str]:
    """Map the name of each input to the name of its result, 'skip' or the error."""
    found = {}
    for source in plan:
        try:
            found[source.name] = 'skip' if source.is_done() else str(source.target)
        except InputError as error:
            found[source.name] = str(error)
    return found


def test_files_are_sorted_in_each_folder(tmp_path):
    root = touch(
        tmp_path, 'b.png', 'a/c.jpg', 'a.png', 'a-b.png', 'A.PNG', '.hidden.png', 'x.txt', 'sub/.git/k.png', 'sub/k.png'
    )
    names = [os.path.relpath(source.name, root) for source in Plan([root])]
    assert names == ['A.PNG', 'a/c.jpg', 'a-b.png', 'a.png', 'b.png', 'sub/k.png']
    assert names == sorted(names, key=lambda name: Path(name).parts)


def test_results_keep_their_names_except_for_formats_that_cannot_be_written(tmp_path):
    root = touch(tmp_path / 'in', 's/a.JPG', 'b.gif', 'c.MOV', 'd.mp4')
    out = tmp_path / 'out'
    assert list(outcome(Plan([root], out)).values()) == [
        str(out / name) for name in ('b.png', 'c.mp4', 'd.mp4', 's/a.JPG')
    ]


def test_an_input_that_keeps_its_name_has_priority(tmp_path):
    root, out = touch(tmp_path / 'in', 'a.gif', 'a.png', 'b.avi', 'b.mkv', 'c.gif'), tmp_path / 'out'
    found = outcome(Plan([root], out))
    assert found == {
        str(root / 'a.gif'): collision(root / 'a.gif', root / 'a.png', out / 'a.png'),
        str(root / 'a.png'): str(out / 'a.png'),
        str(root / 'b.avi'): str(out / 'b.mp4'),
        str(root / 'b.mkv'): collision(root / 'b.mkv', root / 'b.avi', out / 'b.mp4'),
        str(root / 'c.gif'): str(out / 'c.png'),
    }


def collision(name: Path, owner: Path, target: Path) -> str:
    remedy = '' if name.name == owner.name else 'use keep_suffix=True (--keep-suffix), or '
    remedy += 'derain them in two calls with different output folders'
    return f'{name} and {owner}: both would be written to {target}; {remedy}'


def test_inputs_of_earlier_folders_have_priority(tmp_path):
    one, two = touch(tmp_path / 'one', 'a.png', 's/b.gif'), touch(tmp_path / 'two', 'a.png', 's/b.png', 'c.png')
    out = tmp_path / 'out'
    found = outcome(Plan([one, two], out))
    assert found[str(two / 'a.png')] == collision(two / 'a.png', one / 'a.png', out / 'a.png')
    assert found[str(two / 's/b.png')] == collision(two / 's/b.png', one / 's/b.gif', out / 's/b.png')
    assert found[str(two / 'c.png')] == str(out / 'c.png') and found[str(one / 's/b.gif')] == str(out / 's/b.png')
    # A file before a folder, and a file after a folder.
    found = outcome(Plan([two / 'a.png', one], out))
    assert found[str(one / 'a.png')] == collision(one / 'a.png', two / 'a.png', out / 'a.png')
    found = outcome(Plan([one, two / 'a.png'], out))
    assert found[str(two / 'a.png')] == collision(two / 'a.png', one / 'a.png', out / 'a.png')


@pytest.mark.parametrize('again', ['in/a.png', './in/../in/a.png', 'in', 'in/', 'link.png', 'link'])
def test_an_input_that_is_named_twice_fails_once(tmp_path, monkeypatch, again):
    monkeypatch.chdir(touch(tmp_path, 'in/a.png'))
    Path('link').symlink_to('in')
    Path('link.png').symlink_to('in/a.png')
    found = [
        source.is_done() if source.problem is None else str(source.problem)
        for source in Plan(['in/a.png', again], 'out')
    ]
    name = f'{again.rstrip("/")}/a.png' if not again.endswith('.png') else str(Path(again))
    expected = f'{name}: is named twice in this call; name each input once'
    assert found == [False, False if again == 'link.png' else expected]  # links with other names are other inputs


@pytest.mark.parametrize('existing', ['refuse', 'replace'])
def test_no_result_overwrites_an_input_of_any_position(tmp_path, existing):
    root, other = touch(tmp_path / 'in', 'a.png', 's/b.png'), touch(tmp_path / 'other', 's/b.png', 'a.png')
    (tmp_path / 'link').symlink_to(root)
    for inputs, out in (
        ([other, root], root),
        ([other, root], tmp_path / 'link'),
        ([other / 'a.png', root / 'a.png'], root),
    ):
        found = outcome(Plan(inputs, out, existing))
        assert found[str(other / 'a.png')] == (
            f'{other / "a.png"}: its result would overwrite the input {root / "a.png"}; name another output folder'
        )


def test_results_in_an_input_folder_are_not_inputs_and_can_be_replaced(tmp_path):
    root = touch(tmp_path / 'in', 'a.png', 'out/a.png', 'out/s/b.png')
    assert outcome(Plan([root], root / 'out', 'replace')) == {str(root / 'a.png'): str(root / 'out/a.png')}
    assert outcome(Plan([root], root / 'out', 'skip')) == {str(root / 'a.png'): 'skip'}


def test_finished_results_are_left_out_only_with_skip(tmp_path):
    root, out = touch(tmp_path / 'in', 'a.png', 'b.gif', 'c.png'), tmp_path / 'out'
    finished = {str(out / 'a.png'), str(out / 'b.png')}
    plan = Plan([root], out, 'skip', finished=finished)
    assert list(outcome(plan)) == [str(root / 'c.png')] and plan.num_finished == 2 and plan.count() == 1
    assert len(outcome(Plan([root], out, 'replace', finished=finished))) == 3


def test_targets_are_looked_at_only_when_a_source_is_checked(tmp_path):
    root, out = touch(tmp_path / 'in', 'a.png', 'b.png'), tmp_path / 'out'
    sources = iter(Plan([root], out))
    first = next(sources)
    touch(out, 'a.png', 'b.png')
    for source in (first, next(sources)):
        with pytest.raises(InputError, match='already exists; use existing='):
            source.is_done()


def test_parts_are_disjoint_and_cover_all_inputs_and_do_not_depend_on_the_location(tmp_path):
    names = [f's{number % 7}/{number:03}.png' for number in range(200)]
    root, moved = touch(tmp_path / 'in', *names), touch(tmp_path / 'moved', *names[50:])
    parts = [Plan([root], shard=Shard(index, 4)) for index in range(4)]
    found = [{os.path.relpath(source.name, root) for source in part} for part in parts]
    assert sorted(name for part in found for name in part) == sorted(names)
    assert [part.count() for part in parts] == [len(part) for part in found] and min(map(len, found)) > 30
    again = {os.path.relpath(source.name, moved) for source in Plan([moved], shard=Shard(2, 4))}
    assert again == found[2] & set(names[50:])
    # The part of a name must never change, because users continue runs with later versions. b2sum prints the hash.
    assert [Shard(index, 16).contains('holiday/img_0001.jpg') for index in range(16)].index(True) == 9


def test_an_unreadable_folder_is_reported(tmp_path, monkeypatch):
    root = touch(tmp_path, 'a.png', 'locked/b.png', 'z.png')
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == 'locked':
            raise PermissionError(13, 'Permission denied')
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    assert list(outcome(Plan([root], tmp_path / 'out')).values()) == [
        str(tmp_path / 'out/a.png'),
        f'{tmp_path / "locked"}: the folder cannot be opened',
        str(tmp_path / 'out/z.png'),
    ]
    only = tmp_path / 'locked'
    assert outcome(Plan([only, 'x' * 300], tmp_path / 'out')) == {
        str(only): f'{only}: the folder cannot be opened (Permission denied)',
        'x' * 80 + '...': f"'{'x' * 80}...': cannot be used as a path (File name too long)",
    }


@pytest.mark.parametrize(
    'inputs, message', [(['empty'], 'contains no image or video'), ([4.5], 'input 0: found float')]
)
def test_wrong_inputs_are_refused_before_the_first_one_is_derained(tmp_path, inputs, message):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match=message):
        Plan([tmp_path / item if isinstance(item, str) else item for item in inputs])


def test_an_input_folder_that_cannot_be_opened_is_counted(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(os, 'scandir', refuse)
    plan = Plan([tmp_path], tmp_path / 'out', 'skip', finished={str(tmp_path / 'out/a.png')})
    assert plan.count() == 1
    assert list(outcome(plan).values()) == [f'{tmp_path}: the folder cannot be opened (Permission denied)']
