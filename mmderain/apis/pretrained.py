"""Write a derainer with its weights, config and model card into a folder, and load such a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

from mmderain.errors import InputError
from mmderain.hub.index import FOLDER_CONFIG, FOLDER_WEIGHTS
from mmderain.io import atomic_folder
from mmderain.io.checkpoint import write_safetensors
from mmderain.version import __version__

if TYPE_CHECKING:
    from mmderain.models import Derainer

CARD = """---
library_name: mmderain
pipeline_tag: image-to-image
tags: [deraining, {network}]
---

# {network}, a derainer

This network removes rain from images. It has {parameters:,} parameters. Use it with
mmderain {version} or later:

```python
from mmderain.apis import DerainInferencer

image = DerainInferencer('PATH/OF/THIS/FOLDER')('rainy.jpg').predictions[0]  # BGR uint8 (H, W, 3)
```

To be added by the author: the training data, the scores, the limits and the license of the weights.
"""


def save_pretrained(derainer: 'Derainer', folder: str | Path) -> Path:
    """Write a derainer into a folder: weights, config and a model card.

    The folder can then be used in place of the name of a model, for example ``DerainInferencer(folder)``.

    Args:
        derainer: a derainer from :func:`~mmderain.apis.init_model` or :func:`~mmderain.apis.trained_derainer`.
        folder: folder to write. It must not exist, or must be empty.

    Returns:
        The folder.

    Raises:
        InputError: the folder exists and is not empty, or the derainer was built without a config.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f'{folder}: already exists and is not an empty folder; name another folder')
    config = getattr(derainer, 'cfg', None)
    if config is None:
        raise InputError('the derainer has no config; build it with init_model or trained_derainer')
    network = type(derainer.network).__name__
    with atomic_folder(folder) as part:
        Config(dict(model=config.model.to_dict())).dump(part / FOLDER_CONFIG)
        write_safetensors(part / FOLDER_WEIGHTS, derainer.state_dict(), dict(network=network, mmderain=__version__))
        parameters = sum(value.numel() for value in derainer.parameters())
        card = CARD.format(network=network, parameters=parameters, version=__version__)
        (part / 'README.md').write_text(card, encoding='utf-8')
    return folder
