"""Networks of spandrel are recognized by their weights, and give the results of spandrel."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file
from spandrel import ModelLoader
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.RCAN import RCAN

from mmderain.apis import DerainInferencer, init_model, trained_derainer
from mmderain.errors import InputError
from mmderain.io import read_image
from mmderain.models import NAFNet, SpandrelNetwork
from mmderain.registry import TRANSFORMS

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
