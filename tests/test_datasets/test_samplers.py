import random
import tracemalloc
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import ROOT

from mmderain.datasets import ImageFolderDataset, SeededIndex, SeededSampler
from mmderain.datasets.base import seeded
from mmderain.datasets.samplers import CHUNK
from mmderain.errors import InputError


class Items(list):
    """Data set whose items are numbers."""

    accepts_seeded_index = True

    def __init__(self, length):
        super().__init__(range(length))


def sampler(length=10, rank=0, world_size=1, **options):
    made = SeededSampler(Items(length), seed=3, **options)
    made.rank, made.world_size = rank, world_size
    return made


def test_an_epoch_visits_each_item_and_epochs_differ():
    s = sampler()
    first = list(s)
    s.set_epoch(1)
    second = list(s)
    assert sorted(d.index for d in first) == sorted(d.index for d in second) == list(range(10))
    assert [d.index for d in first] != [d.index for d in second]
    assert {d.visit for d in first} == {0} and {d.visit for d in second} == {1} and first[0].seed == 3


def test_the_order_is_the_order_of_earlier_versions():
    """A training that was started with an earlier version must continue with the same images."""
    assert [d.index for d in sampler()] == [6, 0, 3, 7, 8, 5, 1, 9, 2, 4]
    length = 2 * CHUNK + 3  # the indices are converted in three parts
    order = torch.randperm(length, generator=torch.Generator().manual_seed(3)).tolist()
    assert [d.index for d in sampler(length)] == order
    assert [d.index for d in sampler(length, 1, 2)] == [*order[1::2], order[0]]
    assert [d.index for d in islice(iter(sampler(length, 1, 2, infinite=True)), CHUNK + 1)] == order[1::2]
    assert [d.index for d in sampler(length, shuffle=False)] == list(range(length))


@pytest.mark.fault(12, 'datasets.SeededSampler')
@pytest.mark.parametrize('options', [{}, dict(infinite=True), dict(shuffle=False), dict(repeat=2), dict(world_size=3)])
def test_the_first_index_of_a_large_data_set_does_not_need_all_indices(options):
    large = sampler(20 * CHUNK, **options)
    tracemalloc.start()
    try:
        next(iter(large))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The Python objects of all indices would take about 200 MB. tracemalloc does not count the memory of tensors.
    assert peak < 10e6


def test_repeated_visits_have_different_seeds():
    indices = list(sampler(repeat=3))
    assert len(set(indices)) == len(indices) == 30
    assert sorted(indices) == [SeededIndex(i, v, 3) for i in range(10) for v in range(3)]


def test_all_ranks_together_give_the_indices_of_one_process():
    whole = list(sampler(12))
    parts = [list(sampler(12, rank, 2)) for rank in range(2)]
    for k in range(3):
        together = parts[0][2 * k : 2 * k + 2] + parts[1][2 * k : 2 * k + 2]
        assert sorted(together) == sorted(whole[4 * k : 4 * k + 4])
    assert [len(list(sampler(11, rank, 2))) for rank in range(2)] == [6, 6] == [len(sampler(11, 0, 2))] * 2


@pytest.mark.parametrize('length, world_size', [(25, 2), (1, 4), (3, 5)])
def test_all_ranks_of_an_infinite_sampler_give_the_indices_of_one_process(length, world_size):
    whole = list(islice(iter(sampler(length, infinite=True)), 12 * world_size))
    parts = [list(islice(iter(sampler(length, r, world_size, infinite=True)), 12)) for r in range(world_size)]
    assert [index for step in zip(*parts) for index in step] == whole
    resumed = sampler(length, world_size - 1, world_size, infinite=True)
    resumed.skip(7)
    assert list(islice(iter(resumed), 5)) == parts[-1][7:]


def test_items_are_repeated_if_there_are_fewer_than_ranks():
    assert [len(list(sampler(1, rank, 4))) for rank in range(4)] == [1, 1, 1, 1]


def test_data_sets_that_accept_no_seeded_index_are_refused():
    with pytest.raises(ValueError, match='list does not accept a SeededIndex.*DefaultSampler'):
        SeededSampler([1, 2])


@pytest.mark.parametrize(
    'name, smallest, value', [('repeat', 1, 0), ('repeat', 1, 1.5), ('seed', 0, -1), ('seed', 0, '3')]
)
def test_wrong_numbers_are_refused(name, smallest, value):
    with pytest.raises(InputError) as error:
        SeededSampler(Items(3), **{name: value})
    assert str(error.value) == f'SeededSampler: {name} must be an integer of at least {smallest}, found {value!r}'


@pytest.mark.parametrize('infinite', [True, False])
def test_an_empty_data_set_is_refused(infinite):
    with pytest.raises(InputError, match='^SeededSampler: the data set is empty; expected at least one item$'):
        sampler(0, infinite=infinite)


def test_infinite_sampler_resumes_at_its_position():
    whole = list(islice(iter(sampler(infinite=True)), 35))
    assert [d.visit for d in whole[::10]] == [0, 1, 2, 3]
    resumed = sampler(infinite=True)
    resumed.skip(17)
    assert list(islice(iter(resumed), 18)) == whole[17:]


def test_seeding_depends_on_the_index_and_restores_the_generators():
    def drawn(index):
        with seeded(index):
            return np.random.random(), random.random()

    np.random.seed(5), random.seed(5)
    expected = np.random.random(), random.random()
    np.random.seed(5), random.seed(5)
    a = drawn(SeededIndex(1, 0, 0))
    assert (np.random.random(), random.random()) == expected
    assert drawn(SeededIndex(1, 0, 0)) == a
    assert len({a, drawn(SeededIndex(2, 0, 0)), drawn(SeededIndex(1, 1, 0)), drawn(SeededIndex(1, 0, 1))}) == 4


def test_the_pipeline_of_a_seeded_index_is_reproducible():
    data = ImageFolderDataset(
        str(ROOT / 'demo/sample/test'),
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=32),
            dict(type='SynthesizeRain'),
        ],
    )
    first, other = data[SeededIndex(0, 0, 0)], data[SeededIndex(0, 1, 0)]
    np.random.random(7)
    again = data[SeededIndex(0, 0, 0)]
    assert (first['img'] == again['img']).all() and (first['gt_img'] == again['gt_img']).all()
    assert (first['gt_img'] != other['gt_img']).any()


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='contains no images [(]looked for in'):
        ImageFolderDataset(str(tmp_path))
    (tmp_path / 'a.txt').touch()
    with pytest.raises(FileNotFoundError, match='contains no images; skipped 1 file: .txt [(]looked for in'):
        ImageFolderDataset(str(tmp_path))
