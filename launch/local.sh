#!/usr/bin/env bash
# Trains with N processes on this machine (real jax.distributed): launch/local.sh N [flags of fer_jax.main].
#   launch/local.sh 2 --config=configs/tdgan.py:tiny --workdir=runs/pair
set -euo pipefail
if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: launch/local.sh N --config=... [more flags of fer_jax.main]" >&2
  exit 2
fi
count=$1
shift
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')
export JAX_COORDINATOR_ADDRESS="localhost:$port" JAX_NUM_PROCESSES=$count
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
for ((index = 0; index < count; index++)); do
  JAX_PROCESS_ID=$index "$python" -m fer_jax.main "$@" &
  pids+=($!)
done
status=0
for _ in "${pids[@]}"; do  # the first failure ends the others, which would wait for it for ever
  wait -n || { status=$?; break; }
done
exit "$status"
