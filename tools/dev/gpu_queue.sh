#!/usr/bin/env bash
# Start gpu_queue.py, which explains itself, also where mmderain is not installed. PYTHON=... chooses the interpreter:
# without it that of .venv, or python3 where there is no .venv.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$root/.venv/bin/python
    [ -x "$PYTHON" ] || PYTHON=python3
fi
cd "$root"
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "$PYTHON" tools/dev/gpu_queue.py "$@"
