#!/usr/bin/env bash
# Run everything that waits for a GPU, in commands of at most nine minutes each:
#
#   tools/dev/gpu_queue.sh list                # the steps and their commands; needs no GPU
#   tools/dev/gpu_queue.sh run                 # every step that is not done yet
#   tools/dev/gpu_queue.sh run check tests     # these steps, if they are not done yet
#   tools/dev/gpu_queue.sh status
#
# gpu_queue.py does the work and lists the environment variables that change it. PYTHON=... chooses the interpreter:
# without it .venv's, or python3 where there is no .venv.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$root/.venv/bin/python
    [ -x "$PYTHON" ] || PYTHON=python3
fi
cd "$root"
# So that it also runs where mmderain is not installed.
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "$PYTHON" tools/dev/gpu_queue.py "$@"
