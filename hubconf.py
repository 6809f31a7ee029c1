"""Derainers for torch.hub: ``torch.hub.load('PATH/OF/THE/CHECKOUT', 'nafnet', source='local')``.

Each derainer that `mmderain models` lists with weights is an entry point. It takes the arguments of
:func:`mmderain.apis.trained_derainer` after the name, for example ``device='cuda:0'``.
"""

from collections.abc import Callable as _Callable
from typing import Any as _Any

from mmderain.apis import trained_derainer as _trained_derainer
from mmderain.hub import named_models as _named_models
from mmderain.models import Derainer as _Derainer

dependencies = ['torch', 'mmengine', 'mmcv']


def _entry_point(name: str, about: str) -> _Callable[..., _Derainer]:
    """Return a function that loads a derainer."""

    def load(**options: _Any) -> _Derainer:
        return _trained_derainer(name, **options)

    load.__doc__ = f'Return the derainer {name}: {about}.'
    return load


for _entry in _named_models().values():
    if _entry.kind == 'derainer':
        globals()[_entry.name] = _entry_point(_entry.name, _entry.about)
