#!/usr/bin/env bash
# Train on several GPUs of one machine, or in several processes on a CPU (backend gloo):
#   bash tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]
# To train on several machines, run the script on each of them with the environment variables NNODES, NODE_RANK,
# MASTER_ADDR and PORT.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 CONFIG PROCESSES [options of tools/train.py]" >&2
    exit 2
fi
config=$1 processes=$2
python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$processes" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "${@:3}"
