#!/usr/bin/env bash
# Train on several processes of one or more machines: tools/dist_train.sh CONFIG GPUS [ARGS...]
# Without a GPU the processes run on the CPU. NNODES, NODE_RANK, MASTER_ADDR and PORT for several machines.
set -euo pipefail
if [ "$#" -lt 2 ]; then
  echo "usage: $0 CONFIG GPUS [arguments of tools/train.py]" >&2
  exit 2
fi
config=$1
processes=$2
shift 2
exec python -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$processes" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
