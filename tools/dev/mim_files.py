"""Build hook that puts configs, tools and model-index.yml into mmderain/.mim of the wheel.

mmengine looks for these files in mmderain/.mim if a config has ``_base_ = 'mmderain::...'``. Editable installations use
the links in mmderain/.mim. The table force-include in pyproject.toml cannot replace this hook, because it would also
copy the files into editable installations, where they would become outdated.
"""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MimFiles(BuildHookInterface):
    """Add the files to a wheel, but not to an editable installation."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Add the files if the build is not an editable one."""
        if version != 'editable':
            for name in ('configs', 'tools', 'model-index.yml'):
                build_data['force_include'][name] = f'mmderain/.mim/{name}'
