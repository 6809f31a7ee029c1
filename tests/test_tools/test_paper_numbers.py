"""The numbers of the papers: the files with comparison tables, the page, and the tool that checks the numbers."""

import pytest
import yaml
from conftest import ROOT, load_tool

from mmderain.io import file_sha256

tables = load_tool('dev/paper_tables')
tool = load_tool('dev/check_paper_numbers')

#: SHA-256 of each file, and how many tables, methods (rows) and scores it contains. These files were compared with the
#: papers. After a change of a file, run tools/dev/check_paper_numbers.py.
FILES = {
    'jdnet': ('ad56fb2ff0bdb6db6bb31263ce24703f117d6003aca30493ddd59e108fe95980', (1, 7, 42)),
    'mafnet': ('b5061d8b3cb8e0eea889eaad31aef55617b0e7fe82cd0b0b25536432e0a94b53', (2, 19, 94)),
    'nasnet': ('6469e3864dfcd3040a660b55df8887181d1f0ed2b106d7444e7961d8ac801a52', (5, 27, 62)),
    'sian': ('f13805b3f1374c1dfa05b613d364ce8ca17b317f0156c96f25b060391c205557', (2, 26, 102)),
}


def read(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize('name', FILES)
def test_comparison_tables_are_those_that_were_checked(name):
    path = ROOT / f'docs/en/peers/{name}.yml'
    rows = [row for table in read(path)['tables'] for row in table['rows']]
    counts = len(read(path)['tables']), len(rows), len(list(tool.peers_numbers(read(path))))
    assert (file_sha256(path), counts) == FILES[name]


def test_every_paper_has_comparison_tables():
    assert {path.name for path in (ROOT / 'docs/en/peers').iterdir()} == {f'{name}.yml' for name in FILES}
    assert {tables.peers_path(path).stem for path in tables.metafile_paths()} == set(FILES)


@pytest.mark.parametrize('metafile', tables.metafile_paths(), ids=lambda path: path.stem)
def test_comparison_tables_are_complete_and_agree_with_the_metafile(metafile):
    peers, metafile = read(tables.peers_path(metafile)), read(metafile)
    results = {model['Name']: model['Results'] for model in metafile['Models']}
    assert peers['paper'] == metafile['Collections'][0]['Name']
    for table in peers['tables']:
        assert any('configs' in row for row in table['rows'])
        for row in table['rows']:
            assert [len(scores) for scores in row['scores']] == [len(table['metrics'])] * len(table['datasets'])
            assert all(score is None or isinstance(score, str) for scores in row['scores'] for score in scores)
            for config, data_set, scores in zip(row.get('configs', []), table['datasets'], row['scores'], strict=False):
                if config is None:
                    continue
                # The metafile has the same digits for the same table.
                printed = [
                    list(result['Metrics'].values())
                    for result in results[config]
                    if result['Dataset'] == data_set
                    and table['table'] in [entry.split(' ')[0] for entry in result['Tables']]
                ]
                assert printed == [scores], (config, table['table'])


def test_the_page_is_up_to_date_and_says_which_method_is_better_than_the_network_of_the_paper():
    page = tables.PAGE.read_text()
    assert page == tables.page(), 'run python tools/dev/paper_tables.py'
    assert '| DerainDropGAN | 31.57 / 0.9023 |  |  |' in page
    assert 'the PSNR of DerainDropGAN (31.57) is higher than' in page


def test_scores_of_this_project_follow_the_row_of_the_paper():
    peers = read(ROOT / 'docs/en/peers/sian.yml')
    metafile = read(ROOT / 'configs/derain/metafile_sian.yml')
    assert 'run by this project' not in '\n'.join(tables.comparison_lines(peers, metafile))
    metafile['Models'][0]['Results'][0]['Ours'] = {'PSNR-Y': '38.71', 'SSIM-Y(valid)': '0.983'}
    lines = tables.comparison_lines(peers, metafile)
    index = next(index for index, line in enumerate(lines) if line.startswith('| SIAN | 38.80 / 0.984 |'))
    assert lines[index + 1] == '| SIAN, run by this project | 38.71 / 0.983 |  | |'
    assert '| 38.80 / 0.984 | 38.71 / 0.983 |' in '\n'.join(tables.network_lines(metafile))


PEERS = """
paper: Small
cells_above_caption: ['2']
checked_by_eye: []
tables:
  - table: '1'
    rows:
      - {method: A, scores: [['30.10', '0.900'], [null, null]]}
      - {method: B, scores: [['31.20', '0.900'], ['28.8', '0.85']]}
  - table: '2'
    rows:
      - {method: C, scores: [['32.30', '0.930']]}
"""
METAFILE = """
Models:
  - Name: small
    Metadata: {Printed parameters: {Table: '1', Number: '1,234,567'}}
    Results:
      - Tables: ['2 (three stages)']
        Metrics: {PSNR-Y: '32.30', SSIM-Y(valid): '0.930'}
"""
TEXT = """In Table 1. we name no number such as 28.8.
Table 1: Two methods.
A\t30.10/0.900\t-
B\t<b>31.20</b>/ <u>0.900</u>\t28.8/0.85
The count is 1, 234, 567.

C\t32.30\t0.930
The end. Table 2: One method.
"""


def check(text, **changes):
    """Return the table, the row and the text of each number that is not found in an invented paper."""
    peers = yaml.safe_load(PEERS) | changes
    return [tuple(number) for number in tool.check_paper(yaml.safe_load(METAFILE), peers, text)]


def test_all_numbers_are_found(capsys):
    assert check(TEXT) == []
    assert capsys.readouterr().out.splitlines() == [
        'Small, metafile, Table 1: 1 of 1 numbers found',
        'Small, metafile, Table 2: 2 of 2 numbers found',
        'Small, peers, Table 1: 6 of 6 numbers found',
        'Small, peers, Table 2: 2 of 2 numbers found',
    ]


@pytest.mark.parametrize(
    'old, new',
    [
        ('28.8/0.85', '/0.85'),  # missing: the number 28.8 before the caption does not count
        ('28.8/0.85', '28.80/0.85'),  # other digits
        ('28.8/0.85', '128.8/0.85'),  # part of another number
        ('28.8/0.85\n', '/0.85\n' + '\n' * 25 + '28.8\n'),  # displaced: too far from the caption
        ('28.8/0.85', '/0.85\nTable 3: Another caption.\n28.8'),  # displaced: in another table
    ],
)
def test_a_missing_or_displaced_number_is_listed(old, new, capsys):
    assert ('1', 'B', '28.8') in check(TEXT.replace(old, new))
    assert '  B: 28.8 not found' in capsys.readouterr().out


def test_a_number_that_a_table_has_twice_must_stand_there_twice():
    assert check(TEXT.replace('<u>0.900</u>', '')) == [('1', 'B', '0.900')]


def test_a_table_without_caption_has_none_of_its_numbers():
    assert check(TEXT.replace('Table 2:', 'Table two:'))[-1] == ('2', 'C', '0.930')


def test_a_number_that_was_checked_by_eye_is_reported_and_gives_no_error(capsys):
    review = dict(table='1', number='28.8', reason='the extraction splits it')
    assert check(TEXT.replace('28.8/0.85', '28 .8/0.85'), checked_by_eye=[review]) == []
    assert '  B: 28.8 checked by eye: the extraction splits it' in capsys.readouterr().out


def test_a_missing_folder_or_text_is_named(tmp_path, capsys):
    assert tool.main(['--papers', str(tmp_path / 'none')]) == 1
    assert capsys.readouterr().err.startswith(f'error: {tmp_path / "none"}: no such folder')
    assert tool.main(['--papers', str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {tmp_path / "sian.txt"}: no such file') and error.count('\n') == 1


def test_the_exit_status_tells_whether_all_numbers_are_found(tmp_path, capsys):
    for name in FILES:
        (tmp_path / f'{name}.txt').write_text('TABLE III: nothing\n')
    assert tool.main(['--papers', str(tmp_path)]) == 1
    assert 'SIAN, peers, Table III: 0 of 52 numbers found' in capsys.readouterr().out
