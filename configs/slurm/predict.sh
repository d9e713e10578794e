#!/bin/bash
# Makes a distilled set on eight GPUs:
#   sbatch configs/slurm/predict.sh configs/generate/folder.yaml [--model.KEY VALUE …]
# The set does not depend on the number of GPUs. Five minutes before its time is up the job goes back into the queue;
# complete shards are kept.
#SBATCH --job-name=hieramp-predict
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
config=${1:?usage: sbatch configs/slurm/predict.sh CONFIG.yaml [--model.KEY VALUE …]}
shift
srun --kill-on-bad-exit=1 hieramp predict --config "$config" --config configs/overlays/a6000x8.yaml \
  --trainer.num_nodes "$SLURM_JOB_NUM_NODES" "$@"
