#!/usr/bin/env bash
# A script of the form that labs have: values in variables, places as arguments. Arithmetic stands for training.
#   GRPO_LR=1e-4 KL_BETA=0.1 bash shell_trainer.sh train OUT okvqa    then convert, then evaluate
set -euo pipefail
export LC_ALL=C
step=$1 out=$2 dataset=$3
lr=${GRPO_LR:-5e-6} kl_beta=${KL_BETA:-0.15} epochs=${GRPO_EPOCHS:-5}

case $step in
train)
  mkdir -p "$out"
  echo "GRPO on $dataset: lr=$lr kl_beta=$kl_beta epochs=$epochs"
  echo "Epoch | Train Loss | KL"
  awk -v lr="$lr" -v kl_beta="$kl_beta" -v epochs="$epochs" -v out="$out" 'BEGIN {
    step = exp(-(log(lr / 1e-4) / 3) ^ 2)  # 1 at the best lr
    for (epoch = 1; epoch <= epochs; epoch++) {
      learned = step * (1 - exp(-epoch / 2)) / (1 + 2 * kl_beta)
      printf "%d | %.4f | %.4f\n", epoch, 0.3 - learned, learned ^ 2 / 4  # a loss below 0 is one, too
    }
    printf "{\"policy.skill\": %.6f}\n", 0.3 + 0.5 * learned > (out "/checkpoint.json")
  }'
  ;;
convert) # to the names that the evaluation knows
  sed 's/"policy\./"/' "$out/checkpoint.json" > "$out/checkpoint_v2format.json"
  ;;
evaluate)
  python3 - "$out" "$dataset" <<'PYTHON'
import datetime, hashlib, json, pathlib, sys

out, dataset = pathlib.Path(sys.argv[1]), sys.argv[2]
skill = json.loads((out / "checkpoint_v2format.json").read_text())["skill"]
hardness = [int(hashlib.md5(str(i).encode()).hexdigest()[:8], 16) / 2**32 for i in range(400)]
scores = [float(value < skill) for value in hardness]
with (out / f"{dataset}_answers.jsonl").open("w") as file:
    for question, score in enumerate(scores):
        print(json.dumps({"question_id": question, "score": score}), file=file)
path = out / f"{dataset}_metrics.json"  # grows by a key a run
metrics = json.loads(path.read_text()) if path.exists() else {}
metrics[f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}-shot_num=2"] = {"accuracy": sum(scores) / 400}
path.write_text(json.dumps(metrics, indent=1))
PYTHON
  ;;
*)
  echo "unknown step $step: train, convert or evaluate" >&2
  exit 2
  ;;
esac
