"""Networks of spandrel are recognized by their weights, and give the results of spandrel."""

import csv
import importlib

import numpy as np
import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file
from spandrel import ModelLoader
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.RCAN import RCAN

from mmderain import cli
from mmderain.apis import DerainInferencer, init_model, trained_derainer
from mmderain.errors import InputError
from mmderain.hub import named_models
from mmderain.io import read_image
from mmderain.models import NAFNet, SpandrelNetwork
from mmderain.registry import MODELS, TRANSFORMS

FRAME = ROOT / 'demo/street/00670.jpg'


@pytest.fixture
def checkpoint(tmp_path):
    """Write a small NAFNet with random weights, in the format of its authors."""
    torch.manual_seed(0)
    network = NAFNet(width=8, encoder_blocks=(1, 1), middle_blocks=1, decoder_blocks=(1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.save(dict(params=network.state_dict()), tmp_path / 'nafnet.pth')
    return tmp_path / 'nafnet.pth'


def test_outputs_equal_those_of_spandrel(checkpoint):
    network = SpandrelNetwork(checkpoint)
    reference = ModelLoader().load_from_file(checkpoint)
    x = torch.rand(2, 3, 20, 28)
    with torch.inference_mode():
        (result,) = network(x)
    assert torch.equal(result, torch.cat([reference(image) for image in x.split(1)]))
    assert (result - x).abs().max() > 0.01
    size = reference.size_requirements
    assert (network.spec.min_size, network.spec.size_multiple) == (max(size.minimum, 1), size.multiple_of)


def test_the_size_requirements_are_kept(tmp_path):
    """DRUNet takes multiples of 8. Images of other sizes are padded."""
    torch.manual_seed(0)
    weights = DRUNet(in_nc=4, out_nc=3, nc=[4, 8, 8, 8], nb=2).state_dict()
    save_file({key: value.contiguous() for key, value in weights.items()}, tmp_path / 'drunet.safetensors')
    network = dict(type='SpandrelNetwork', checkpoint=str(tmp_path / 'drunet.safetensors'))
    model = trained_derainer(dict(model=dict(type='Derainer', network=network)))
    assert model.spec.size_multiple == 8
    assert model.restore(torch.rand(1, 3, 13, 30)).shape == (1, 3, 13, 30)


def test_inferencer_transform_and_tiles_use_the_network(checkpoint, tmp_path):
    config = tmp_path / 'restorer.py'
    config.write_text(
        f"model = dict(type='Derainer', network=dict(type='SpandrelNetwork', checkpoint='{checkpoint}', halo=8))\n"
    )
    rainy = read_image(FRAME)[:64, :96]
    prediction = DerainInferencer(config, precision='fp32')([rainy]).predictions[0]
    transform = TRANSFORMS.build(dict(type='mmderain.Derain', derainer=str(config)))
    assert np.array_equal(transform(dict(img=rainy))['img'], prediction)
    tiled = DerainInferencer(config, precision='fp32', tile=32)([rainy]).predictions[0]
    # The channel attention of NAFNet averages over the image, so tiles change the result a little.
    assert 0 < np.abs(tiled.astype(int) - prediction).mean() < 3
    assert init_model(config).restore(torch.rand(1, 3, 9, 9)).shape == (1, 3, 9, 9)


@pytest.mark.usefixtures('task_models')
def test_preprocessor_and_joint_test_use_the_network(checkpoint, tmp_path, monkeypatch, capsys):
    """The network of the joint test returns its input, so it does not change the detections in rainy images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'restorer.py').write_text(
        "model = dict(type='Derainer', network=dict(type='mmderain.SpandrelNetwork', checkpoint='nafnet.pth'))\n"
    )
    image = read_image(FRAME)[:64, :96]
    batch = [torch.from_numpy(image.transpose(2, 0, 1).copy())]
    wrapped = dict(type='mmdet.DetDataPreprocessor')
    preprocessor = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer='restorer.py', wrapped=wrapped))
    result = preprocessor(dict(inputs=batch, data_samples=None))['inputs'][0].round().byte().numpy().transpose(1, 2, 0)
    assert np.array_equal(result, DerainInferencer('restorer.py', precision='fp32')([image]).predictions[0])

    content = torch.load(checkpoint)
    for key in ('ending.weight', 'ending.bias'):
        content['params'][key].zero_()
    torch.save(content, checkpoint)
    data = dict(data_root=f'{ROOT}/demo/street/', ann_file='boxes.json', data_prefix=dict(img=''))
    (tmp_path / 'detector.py').write_text(
        f"_base_ = '{ROOT}/configs/perception/atss_r18_street.py'\ntest_dataloader = dict(dataset={data})\n"
        f"test_evaluator = dict(ann_file='{ROOT}/demo/street/boxes.json')\n"
    )
    weights = named_models()['street-detector'].weights()
    arguments = ['joint-test', 'detector.py', str(weights), '--rain', 'heavy:3', '--limit', '1', '--out', 'out']
    assert cli.main([*arguments, '--derainer', 'other', 'restorer.py']) == 0
    with open('out/table.csv') as table:
        rows = {(row['rain'], row['image']): row for row in csv.DictReader(table)}
    columns = ['AP', 'AP50', 'PSNR-Y', 'SSIM-Y(valid)']
    rainy, restored = ([rows['heavy:3', name][column] for column in columns] for name in ('rainy', 'other'))
    assert restored == rainy and float(rainy[0]) < float(rows['', 'clean']['AP'])
    assert rows['heavy:3', 'other']['derain ms'] and not rows['heavy:3', 'rainy']['derain ms']


@pytest.mark.parametrize('name', ['Restormer', 'MPRNet'])
def test_networks_of_spandrel_extra_arches(name, tmp_path):
    """The packages with these networks have licenses of their own, so the set-up does not install them."""
    package = pytest.importorskip('spandrel_extra_arches', reason='spandrel_extra_arches is not installed')
    architecture = importlib.import_module(f'{package.__name__}.architectures.{name}')
    torch.manual_seed(0)
    if name == 'Restormer':
        network = architecture.Restormer(dim=16, num_blocks=[1] * 4, num_refinement_blocks=1, heads=[1] * 4)
    else:
        network = architecture.MPRNet(n_feat=16, scale_unetfeats=8, scale_orsnetfeats=8, num_cab=2)
    torch.save(dict(state_dict=network.state_dict()), tmp_path / 'a.pth')
    ours = SpandrelNetwork(tmp_path / 'a.pth')
    x = torch.rand(1, 3, 24, 32)
    with torch.inference_mode():
        expected = network.eval()(x)
        expected = expected if torch.is_tensor(expected) else expected[0]  # MPRNet returns its stages, last first
        assert torch.equal(ours(x)[0], expected.clamp(0, 1))
    assert (ours.spec.min_size, ours.spec.size_multiple) == (1, 8)


def test_other_weights_are_refused(tmp_path):
    torch.save({'a': torch.zeros(3)}, tmp_path / 'other.pth')
    with pytest.raises(InputError, match='other.pth: spandrel does not recognize the network of these weights'):
        SpandrelNetwork(tmp_path / 'other.pth')
    torch.save(RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=16).state_dict(), tmp_path / 'larger.pth')
    with pytest.raises(InputError, match='larger.pth: RCAN changes the size of an image'):
        SpandrelNetwork(tmp_path / 'larger.pth')
    torch.save(DRUNet(in_nc=2, out_nc=1, nc=[4, 8, 8, 8], nb=2).state_dict(), tmp_path / 'gray.pth')
    with pytest.raises(InputError, match='gray.pth: this DRUNet maps 1 channels to 1; expected 3 channels'):
        SpandrelNetwork(tmp_path / 'gray.pth')
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        SpandrelNetwork(tmp_path / 'gone.pth')
