import pytest

from mmderain.errors import InputError
from mmderain.hub import bundled_models
from mmderain.hub import index as model_index


@pytest.mark.parametrize('name', bundled_models())
def test_bundled_weights_have_the_listed_hashes(name, tmp_path, monkeypatch):
    entry = bundled_models()[name]
    assert entry.weights().stat().st_size < 6e6 and entry.kind in ('derainer', 'detector', 'segmentor')
    (tmp_path / entry.file).write_bytes(entry.weights().read_bytes()[:-1] + b'?')
    monkeypatch.setattr(model_index, 'WEIGHTS', tmp_path)
    with pytest.raises(InputError, match=f'{entry.file}: expected SHA-256 {entry.sha256}, found'):
        entry.weights()
