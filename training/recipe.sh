#!/usr/bin/env bash
# From nothing to a model folder, in the order of README.md. Cut off or stopped with Ctrl-C, it goes on when run again.
#
#   ./recipe.sh WORK [cpu|gpu]      WORK/data, WORK/classifier, WORK/vq, .., WORK/model
#
# The two presets differ in how long is trained and how much at once; the models are the same. Every later step takes what the
# one before it wrote, and a step that is done is not repeated.
set -euo pipefail
cd "$(dirname "$0")"
work=${1:?usage: ./recipe.sh WORK [cpu|gpu]} preset=${2:-cpu}
mkdir -p "$work"
case $preset in
  cpu) vq_steps=6000 vq_batch=16 free=1200 judge_steps=3000 entropy_steps=6000 main_steps=12000 batch=16 lr=8e-4 ;;
  gpu) vq_steps=40000 vq_batch=64 free=6000 judge_steps=6000 entropy_steps=12000 main_steps=30000 batch=128 lr=1.2e-3 ;;
  *) echo "recipe.sh: the preset is cpu or gpu, not $preset" >&2; exit 2 ;;
esac

done_at() { [ -e "$work/$1/done" ]; }
step() { # name, command..: run once, its time noted
  local name=$1 began=$SECONDS
  shift
  if done_at "$name"; then return; fi
  echo "== $name: $*"
  mkdir -p "$work/$name"
  python "$@"
  echo "$((SECONDS - began)) s in the last sitting" > "$work/$name/done"
}

step data data.py build --out "$work/data"
step classifier classifier.py --data "$work/data" --out "$work/classifier" --steps $judge_steps --resume
step vq train_tokenizer.py --data "$work/data" --out "$work/vq" --size 128 --ch 16 --ch-mult 1 2 4 8 --z 48 \
  --steps $vq_steps --batch $vq_batch --free $free --chroma 1 --resume
step tokens encode.py tokens --data "$work/data" --tokenizer "$work/vq" --out "$work/tokens/tokens.npz" --augmentations 8
tokens="$work/tokens/tokens.npz"
step validation encode.py validation --tokens "$tokens" --out "$work/validation/validation.safetensors"

# The entropy model stays small: it runs for every token, and what it costs is taken off what the patches save.
step entropy train_ar.py entropy --tokens "$tokens" --out "$work/entropy" --dim 128 --heads 2 --layers 4 \
  --steps $entropy_steps --batch $batch --lr $lr --log-every 300 --resume
step entropies encode.py entropies --tokens "$tokens" --entropy "$work/entropy" --out "$work/entropies/entropies.npy"
# The lowest threshold (to 0.1 nats) with 1.81 tokens a patch or more: the paper's operating point.
[ -e "$work/threshold" ] || python encode.py threshold --tokens "$tokens" --entropies "$work/entropies/entropies.npy" \
  --length 1.81 --out "$work/threshold"
threshold=$(cat "$work/threshold")

# Compiled: 1.4 times as fast on two CPU cores, for half a minute at the start of each sitting (the small entropy model gains nothing).
main=(--tokens "$tokens" --dim 192 --heads 3 --steps $main_steps --batch $batch --lr $lr --log-every 300 --compile --resume)
step dpar train_ar.py dpar "${main[@]}" --out "$work/dpar" --layers 1 7 2 --entropies "$work/entropies/entropies.npy" \
  --threshold "$threshold"
step baseline train_ar.py baseline "${main[@]}" --out "$work/baseline" --layers 10
step model export.py --vq "$work/vq" --entropy "$work/entropy" --dpar "$work/dpar" --baseline "$work/baseline" --out "$work/model"
echo "the model folder is $work/model"
