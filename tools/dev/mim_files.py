"""Build hook that puts configs, tools and model-index.yml into mmderain/.mim of the wheel.

``_base_ = 'mmderain::...'`` looks for them there. hatch's force-include table would also copy them into editable
installations, where the copies would become outdated. Editable installations use the links in mmderain/.mim.
"""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MimFiles(BuildHookInterface):
    """Add the files to a wheel, but not to an editable installation."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Add the files if the build is not an editable one."""
        if version != 'editable':
            for name in ('configs', 'tools', 'model-index.yml'):
                build_data['force_include'][name] = f'mmderain/.mim/{name}'
