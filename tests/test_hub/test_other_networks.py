"""Networks of other projects by name: spandrel reads their checkpoints."""

import json

import pytest
import torch
from file_server import file_of

from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.hub import index as model_index
from mmderain.io.cache import CachedFile


@pytest.fixture
def restorer(mirror, tmp_path, monkeypatch):
    """Put a NAFNet of spandrel on the mirror, and list it without a hash in an index as ``other``."""
    from spandrel.architectures.NAFNet import NAFNet

    torch.manual_seed(0)
    network = NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1])
    mirror.files['other.pth'] = file_of(dict(params=network.state_dict()))
    entry = dict(
        kind='derainer', url='https://example.invalid/other.pth', format='spandrel', source='others', license='theirs'
    )
    (tmp_path / 'index.json').write_text(json.dumps(dict(other=entry | dict(about='a NAFNet'))))
    monkeypatch.setattr(model_index, 'WEIGHTS', tmp_path)
    return network.eval()


def test_a_network_of_another_project_is_used_by_name(restorer, mirror, capsys, monkeypatch):
    with pytest.raises(InputError, match='other.pth: the hash of this file is not known.*--trust-unhashed'):
        trained_derainer('other')
    monkeypatch.setenv('MMDERAIN_TRUST_UNHASHED', '1')
    image = torch.rand(1, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(trained_derainer('other').restore(image), restorer(image).clamp(0, 1))
    assert capsys.readouterr().err.endswith('/other.pth\nother: weights from others; license: theirs\n')
    monkeypatch.setenv('MMDERAIN_TRUST_UNHASHED', '0')  # the hash is known now
    trained_derainer('other')
    assert capsys.readouterr().err == '' and len(mirror.requests) == 1
    path = CachedFile.of('https://example.invalid/other.pth').path
    path.write_bytes(path.read_bytes()[:-1] + b'?')
    with pytest.raises(InputError, match='other.pth: expected SHA-256'):
        trained_derainer('other')
