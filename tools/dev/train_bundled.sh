#!/usr/bin/env bash
# Train the networks whose weights are bundled, one recipe after the other, in the background:
#
#   tools/dev/train_bundled.sh start     start the queue, or continue it; returns at once
#   tools/dev/train_bundled.sh status    what is trained, how far, at what loss
#   tools/dev/train_bundled.sh pause     stop using the processor (before a benchmark); resume continues
#   tools/dev/train_bundled.sh resume
#   tools/dev/train_bundled.sh store     write weights and curves to files that can be committed
#   tools/dev/train_bundled.sh stop      end all processes; start continues later
#
# docs/en/training_queue.md describes the recipes, the data and what is stored.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ ! -x .venv/bin/python ]; then
    echo 'error: there is no .venv yet; run `make test` or tools/dev/setup_venv.sh full first' >&2
    exit 1
fi
exec .venv/bin/python tools/dev/training_queue.py "$@"
