#!/usr/bin/env bash
# Run tools/dev/training_queue.py with the Python of .venv: tools/dev/train_bundled.sh start|status|pause|resume|store|stop
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ ! -x .venv/bin/python ]; then
    echo 'error: .venv does not exist; run `make test` or tools/dev/setup_venv.sh full first' >&2
    exit 1
fi
exec .venv/bin/python tools/dev/training_queue.py "$@"
