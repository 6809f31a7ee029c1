"""Build hook: puts configs, tools and model-index.yml under mmderain/.mim in the wheel.

``_base_ = 'mmderain::...'`` looks for them there. A hook rather than hatch's force-include table,
because that one copies them into editable installs as well, where the copies would go stale; the
links in mmderain/.mim serve those.
"""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MimFiles(BuildHookInterface):
    """Adds the files to a wheel that is to be installed, not to an editable one."""

    def initialize(self, version, build_data):
        if version != 'editable':
            for name in ('configs', 'tools', 'model-index.yml'):
                build_data['force_include'][name] = f'mmderain/.mim/{name}'
