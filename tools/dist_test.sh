#!/usr/bin/env bash
# Test on several processes of one or more machines: tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGS...]
# Without a GPU the processes run on the CPU. NNODES, NODE_RANK, MASTER_ADDR and PORT for several machines.
set -euo pipefail
if [ "$#" -lt 3 ]; then
  echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of tools/test.py]" >&2
  exit 2
fi
config=$1
checkpoint=$2
processes=$3
shift 3
exec python -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$processes" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
