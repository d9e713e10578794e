#!/bin/bash
# Runs a sweep as a SLURM array, a trial a task and a GPU a trial; give it as many tasks as the sweep has trials:
#   hieramp sweep expand sweeps/table3_stage_rho_beta.yaml          # 21 trials, 0 to 20
#   sbatch --array=0-20%8 sweeps/slurm_array.sh sweeps/table3_stage_rho_beta.yaml [--out FOLDER]
# All tasks write one folder, where sweep.csv grows. Submitted again it runs what is not done. Five minutes before its
# time is up a task goes back into the queue; its finished stages are kept.
#SBATCH --job-name=hieramp-sweep
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.out
set -euo pipefail
usage="usage: sbatch --array=0-N sweeps/slurm_array.sh SWEEP.yaml [--out FOLDER]"
sweep=${1:?$usage} index=${SLURM_ARRAY_TASK_ID:?$usage}
shift
srun hieramp sweep run "$sweep" --index "$index" "$@"
