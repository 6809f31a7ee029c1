#!/usr/bin/env bash
# Resolves requirements/lock.in and the extras [onedl] and [test] of pyproject.toml into
# requirements/lock.txt, one file for Python 3.10 to 3.12.
#
# Versions already in the lock stay unless something forces them to move; `--upgrade` takes the
# newest of everything, `--upgrade-package NAME` of one. Needs Python 3.10 or newer and a network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv

[ ! -f requirements/lock.txt ] || cp requirements/lock.txt "$scratch/lock.txt"
"$scratch/venv/bin/uv" pip compile requirements/lock.in pyproject.toml --extra onedl --extra test \
    --universal --python-version 3.10 --no-header --no-annotate --quiet \
    --output-file "$scratch/lock.txt" "$@"

{
    echo '# Every package the set-up may install, for Python 3.10 to 3.12; used as a constraint (pip -c),'
    echo '# so what is not needed on a machine is not installed. Written by `make lock`: do not edit.'
    # What holds for every machine of [tool.uv] in pyproject.toml need not be said in every line.
    grep -v '^#' "$scratch/lock.txt" | sed \
        -e "s/python_full_version < '3.13' and //g; s/ and python_full_version < '3.13'//g" \
        -e "s/ and sys_platform == 'linux'//g; s/ ; python_full_version < '3.13'$//" \
        -e "s/ ; sys_platform == 'linux'$//"
} > requirements/lock.txt
echo "requirements/lock.txt: $(grep -c '==' requirements/lock.txt) pins"
