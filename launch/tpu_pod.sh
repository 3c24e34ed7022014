#!/usr/bin/env bash
# Creates a TPU VM slice, sets up every host, and runs one command on all of them. DRY_RUN=1 prints the commands only.
#   NAME=fer ZONE=us-central2-b TYPE=v4-16 BUCKET=gs://my-bucket launch/tpu_pod.sh --config=configs/tdgan.py
# The workdir and the data lie in the bucket's folder mounted on every host, so that any host may be replaced.
set -euo pipefail
for name in NAME ZONE TYPE BUCKET; do
  if [[ -z ${!name:-} ]]; then
    echo "launch/tpu_pod.sh: set $name (NAME of the slice, ZONE, TYPE such as v4-16, BUCKET gs://... for runs and data)" >&2
    exit 2
  fi
done
if [[ $# -eq 0 ]]; then
  echo "usage: NAME=... ZONE=... TYPE=... BUCKET=... launch/tpu_pod.sh --config=... [more flags of fer_jax.main]" >&2
  exit 2
fi
version=${VERSION:-tpu-ubuntu2204-base}
cd "$(dirname "$0")/.."

run() {
  printf '%q ' "$@"
  echo
  [[ ${DRY_RUN:-} == 1 ]] || "$@"
}
everywhere() {
  run gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="$1"
}

run gcloud compute tpus tpu-vm create "$NAME" --zone="$ZONE" --accelerator-type="$TYPE" --version="$version"
run gcloud compute tpus tpu-vm scp --recurse --zone="$ZONE" --worker=all \
  setup.py pyproject.toml requirements.lock fer_jax configs "$NAME:fer_jax_code/"
everywhere "command -v gcsfuse || (sudo apt-get update && sudo apt-get install -y gcsfuse); \
mkdir -p ~/shared && (mountpoint -q ~/shared || gcsfuse --implicit-dirs ${BUCKET#gs://} ~/shared)"
everywhere "cd fer_jax_code && python3 -m venv ~/venv && ~/venv/bin/pip install -q -e '.[tpu]'"
flags=$(printf '%q ' "$@")
everywhere "cd fer_jax_code && FER_JAX_DISTRIBUTED=1 TFDS_DATA_DIR=~/tensorflow_datasets \
~/venv/bin/python -m fer_jax.main --workdir=\$HOME/shared/$NAME ${flags% }"
