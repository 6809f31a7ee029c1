"""Lists in all encodings are read, or refused by name, by every function that reads them."""

import pytest
from image_files import RGB8, png

from mmderain.datasets import PairedImageDataset
from mmderain.errors import InputError
from mmderain.io import read_lines, read_text
from mmderain.web import read_users

LINES = ['a.png', 'sub/ä b.png', 'c\u2028d.png']  # names can contain characters that Python takes for ends of lines
LISTS = {
    'plain': '\n'.join(LINES).encode(),
    'Windows': '\r\n'.join(['', *LINES, '']).encode(),
    'old Mac': '\r'.join(LINES).encode(),
    'byte order mark': '\n'.join(LINES).encode('utf-8-sig'),
    'UTF-16 with a mark': '\r\n'.join(LINES).encode('utf-16'),
    'blank lines': ('\n \n  ' + '  \n\n'.join(LINES) + '\t\n').encode(),
}
NO_TEXT = {
    'UTF-16 without a mark': '\n'.join(LINES).encode('utf-16-le'),
    'UTF-32': '\n'.join(LINES).encode('utf-32'),
    'Windows-1252': 'ä.png\n'.encode('cp1252'),
    'image': png(RGB8, 2),
}


def by_data_set(path):
    for name in LINES:
        for folder in ('rain', 'norain'):
            (path.parent / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / folder / name).touch()
    data = PairedImageDataset(str(path.parent), ann_file=path.name, pipeline=[])
    return [item['name'] for item in map(data.get_data_info, range(len(data)))]


def users(path):
    path.write_bytes(
        path.read_bytes().replace(b'.png', b':x').replace('.png'.encode('utf-16-le'), ':x'.encode('utf-16-le'))
    )
    path.chmod(0o600)
    return [f'{name}.png' for name, password in read_users(path)]


LIST_CALLS = {
    'io.read_lines': read_lines,
    'io.read_text': lambda path: [
        line.strip() for line in read_text(path).replace('\r', '\n').split('\n') if line.strip()
    ],
    'datasets.PairedImageDataset': by_data_set,
    'web.read_users': users,
}


@pytest.mark.parametrize(
    'name, form',
    [
        pytest.param(name, form, marks=pytest.mark.fault(11, name))
        for name in LIST_CALLS
        for form in (*LISTS, *NO_TEXT)
        # A password can contain spaces and a carriage return.
        if (name, form) not in (('web.read_users', 'old Mac'), ('web.read_users', 'blank lines'))
    ],
)
def test_lists_of_all_encodings_are_read_or_refused_by_name(tmp_path, name, form):
    path = tmp_path / 'list.txt'
    path.write_bytes((LISTS | NO_TEXT)[form])
    if form in NO_TEXT:
        with pytest.raises(InputError, match=r'list.txt: is not text in UTF-8 \(.*\); save it again as UTF-8'):
            LIST_CALLS[name](path)
        return
    assert LIST_CALLS[name](path) == LINES
