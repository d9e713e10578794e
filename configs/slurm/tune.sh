#!/bin/bash
# Tunes a VAR on eight GPUs of a node:
#   sbatch configs/slurm/tune.sh configs/token_tuning/folder.yaml [--model.KEY VALUE …]
# More nodes: sbatch --nodes 2 … . A network that is too large for one GPU: --config configs/overlays/fsdp.yaml.
# Five minutes before its time is up the job saves last.ckpt and goes back into the queue; there it goes on.
# A job that is submitted anew starts anew: it goes on with another one's run by --ckpt_path runs/…/last.ckpt at the end.
#SBATCH --job-name=hieramp-tune
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
set -euo pipefail
config=${1:?usage: sbatch configs/slurm/tune.sh CONFIG.yaml [--model.KEY VALUE …]}
shift
srun --kill-on-bad-exit=1 hieramp fit --config "$config" --config configs/overlays/a6000x8.yaml \
  --trainer.num_nodes "$SLURM_JOB_NUM_NODES" --ckpt_path last "$@"
