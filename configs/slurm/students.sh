#!/bin/bash
# Trains students on a set, a seed after the other on one GPU each:
#   sbatch configs/slurm/students.sh configs/student/folder.yaml sets/mine runs/mine_cell [--model.KEY VALUE …]
# An array makes several sets or students at once. Five minutes before its time is up the job goes back into the queue;
# seeds that are done are kept.
#SBATCH --job-name=hieramp-students
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
set -euo pipefail
usage="usage: sbatch configs/slurm/students.sh CONFIG.yaml SET OUT [--model.KEY VALUE …]"
config=${1:?$usage} set=${2:?$usage} out=${3:?$usage}
shift 3
srun hieramp students --seeds 0 1 2 --out "$out" --config "$config" \
  --config configs/overlays/gpu.yaml --data.path "$set" "$@"
