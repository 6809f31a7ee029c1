#!/usr/bin/env bash
# Choose versions for requirements/lock.in and for the extras [onedl], [scale-test] and [test] of pyproject.toml, and
# write them as pins to requirements/lock.txt. The file is valid for Python 3.10 to 3.12.
#
# A version that is already in the lock file is kept if the other requirements allow it. `--upgrade`
# uses the newest version of every package. `--upgrade-package NAME` uses the newest version of one
# package. The script needs Python 3.10 or newer and a network connection.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv

[ ! -f requirements/lock.txt ] || cp requirements/lock.txt "$scratch/lock.txt"
"$scratch/venv/bin/uv" pip compile requirements/lock.in pyproject.toml --extra onedl --extra scale-test --extra test \
    --universal --python-version 3.10 --no-header --no-annotate --quiet \
    --output-file "$scratch/lock.txt" "$@"

{
    echo '# Pins of all packages that the set-up may install, for Python 3.10 to 3.12. pip uses them as'
    echo '# constraints (-c). Therefore it installs only packages that are needed. `make lock` writes this file.'
    # Remove the conditions that are true on every machine that [tool.uv] in pyproject.toml allows.
    grep -v '^#' "$scratch/lock.txt" | sed \
        -e "s/python_full_version < '3.13' and //g; s/ and python_full_version < '3.13'//g" \
        -e "s/ and sys_platform == 'linux'//g; s/ ; python_full_version < '3.13'$//" \
        -e "s/ ; sys_platform == 'linux'$//"
} > requirements/lock.txt
echo "requirements/lock.txt: $(grep -c '==' requirements/lock.txt) pins"
