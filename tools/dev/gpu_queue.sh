#!/usr/bin/env bash
# Run tools/dev/gpu_queue.py. Its option --help describes the commands. mmderain need not be installed. PYTHON=...
# chooses the interpreter. By default, this is the Python of .venv, or python3 if there is no .venv.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$root/.venv/bin/python
    [ -x "$PYTHON" ] || PYTHON=python3
fi
cd "$root"
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "$PYTHON" tools/dev/gpu_queue.py "$@"
