"""The registries of mmderain.

For each root registry of mmengine, this module creates a child registry with the scope ``mmderain``. If a child were
missing, mmengine would print a warning whenever this scope is used.

A config can name a type without importing its module. When a registry looks up a name for the first time, it imports
the modules in its ``locations``.
"""

from mmengine import registry as _root
from mmengine.registry import Registry

_LOCATIONS = {
    'MODELS': ['mmderain.models', 'mmderain.perception'],
    'DATASETS': ['mmderain.datasets'],
    'DATA_SAMPLERS': ['mmderain.datasets'],
    'TRANSFORMS': ['mmderain.datasets.transforms', 'mmderain.perception', 'mmderain.perception.joint_test'],
    'HOOKS': ['mmderain.engine', 'mmderain.perception'],
    'OPTIM_WRAPPERS': ['mmderain.engine'],
    'METRICS': ['mmderain.evaluation'],
    'EVALUATOR': ['mmderain.perception.joint_test'],
    'VISUALIZERS': ['mmderain.visualization'],
}


def _child(name: str) -> Registry:
    """Create a registry of mmderain whose parent is the registry ``name`` of mmengine."""
    root = getattr(_root, name)
    return Registry(root.name, scope='mmderain', parent=root, locations=_LOCATIONS.get(name, ['mmderain.models']))


RUNNERS = _child('RUNNERS')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS')
LOOPS = _child('LOOPS')
HOOKS = _child('HOOKS')
STRATEGIES = _child('STRATEGIES')
DATASETS = _child('DATASETS')
DATA_SAMPLERS = _child('DATA_SAMPLERS')
TRANSFORMS = _child('TRANSFORMS')
MODELS = _child('MODELS')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS')
OPTIMIZERS = _child('OPTIMIZERS')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS')
METRICS = _child('METRICS')
EVALUATOR = _child('EVALUATOR')
TASK_UTILS = _child('TASK_UTILS')
VISUALIZERS = _child('VISUALIZERS')
VISBACKENDS = _child('VISBACKENDS')
LOG_PROCESSORS = _child('LOG_PROCESSORS')
INFERENCERS = _child('INFERENCERS')
FUNCTIONS = _child('FUNCTIONS')
