#!/bin/bash
# Encodes a data set once on eight GPUs:
#   sbatch configs/slurm/tokenize.sh configs/tokenize/folder.yaml [--data.KEY VALUE …]
# Five minutes before its time is up the job goes back into the queue; complete shards are kept.
#SBATCH --job-name=hieramp-tokenize
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
set -euo pipefail
config=${1:?usage: sbatch configs/slurm/tokenize.sh CONFIG.yaml [--data.KEY VALUE …]}
shift
srun --kill-on-bad-exit=1 hieramp tokenize --config "$config" --config configs/overlays/a6000x8.yaml \
  --trainer.num_nodes "$SLURM_JOB_NUM_NODES" "$@"
