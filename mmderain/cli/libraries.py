"""Import mmdet and mmseg without messages on which a user cannot act."""

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_libraries(*libraries: str) -> Iterator[None]:
    """Hide messages of the OpenMMLab packages inside a ``with`` block.

    When mmdet and mmseg are imported, they print that an optional package is missing. When a model is built, they warn
    about their own deprecated names and default values. A user of a command can change neither.

    Args:
        libraries: the libraries to import, ``'mmdet'`` or ``'mmseg'``. A library that cannot be imported is skipped,
            because the code that needs this library reports the error.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', module=r'(mmdet|mmseg|mmcv|mmengine|timm)\b')
        # mmcv 2.1 imports pkg_resources. This warning has the module name of its importer, importlib.
        warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
        # mmdet calls torch.meshgrid, for example in RTMDet. torch gives its own module as the origin of the warning.
        warnings.filterwarnings('ignore', message=r'torch\.meshgrid: in an upcoming release')
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(ImportError):
            for library in libraries:
                importlib.import_module(f'{library}.datasets')
        yield
