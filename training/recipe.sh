#!/usr/bin/env bash
# From nothing to a model folder, in the order of README.md. Cut off or stopped with Ctrl-C, it goes on when run again.
#
#   ./recipe.sh WORK [cpu|gpu|quick] [PICTURES]      WORK/data, WORK/vq, .., WORK/model
#
# cpu is how the shipped model was made (its tokenizer is older: README.md), gpu the same for longer, quick a small model in minutes
# (smoke: a few steps, for the tests). PICTURES holds a folder for each class, with its pictures in it; without it the emoji are taken. Every later step takes
# what the one before it wrote, and a step that is done is not repeated.
set -euo pipefail
usage="usage: ./recipe.sh WORK [cpu|gpu|quick] [PICTURES]"
work=${1:?$usage} preset=${2:-cpu} pictures=${3:-}
work=$(realpath -m "$work")
[ -z "$pictures" ] || pictures=$(realpath -e "$pictures")
cd "$(dirname "$0")"
mkdir -p "$work"
# Sizes: picture, tokenizer, augmentations; entropy model; DPAR and baseline. lr is AdamW's, muon that of the matrices.
vq=(--size 128 --ch 16 --ch-mult 1 2 4 8 --z 48 --chroma 1) augmentations=8
entropy=(--dim 192 --heads 3 --layers 2) main=(--dim 192 --heads 3 --log-every 200 --compile) dpar=(1 8 3) baseline=12
# How it is drawn, chosen by looking: a nat above the threshold of training, where patches are a third longer and pictures as good.
higher=1 drawn=(--cfg 2 --temperature 0.8 --top-p 0.85)
case $preset in
  cpu)
    vq+=(--steps 6000 --batch 16 --free 1200) judge=(--steps 8000)
    entropy+=(--steps 2500 --batch 32 --log-every 250) main+=(--steps 4000 --batch 32) ;;
  gpu)
    vq+=(--steps 40000 --batch 64 --free 6000) judge=(--steps 8000)
    entropy+=(--steps 12000 --batch 128 --log-every 250) main+=(--steps 30000 --batch 128) ;;
  quick)
    vq=(--size 64 --ch 16 --ch-mult 1 2 4 --z 32 --chroma 1 --steps 500 --batch 16 --free 150 --lr 2e-3 --log-every 250)
    augmentations=1 judge=()
    entropy=(--dim 128 --heads 2 --layers 2 --steps 200 --batch 32 --log-every 100 --warmup 50)
    main=(--dim 128 --heads 2 --log-every 100 --steps 400 --batch 32 --warmup 50) dpar=(1 4 2) baseline=7
    higher=0 drawn=(--cfg 3.5 --temperature 0.9 --top-p 0.9) ;; # with so little training, half of the pictures stay white otherwise
  smoke)
    vq=(--size 32 --ch 8 --ch-mult 1 2 2 --z 8 --codes 64 --steps 40 --batch 8 --free 20 --lr 3e-3) augmentations=1 judge=()
    entropy=(--dim 64 --heads 4 --layers 1 --codes 64 --steps 20 --batch 8 --log-every 20 --warmup 2)
    main=(--dim 64 --heads 4 --codes 64 --log-every 20 --steps 20 --batch 8 --warmup 2 --ema 0.9) dpar=(1 1 1) baseline=3 ;;
  *) echo "recipe.sh: the preset is cpu, gpu or quick, not $preset" >&2; exit 2 ;;
esac
[ -z "$pictures" ] || augmentations=8  # few pictures: the more ways to see each

# What is done is not done again, so a WORK is for one preset and one set of pictures.
asked="$preset${pictures:+ $(basename "$pictures")}"  # by name: WORK and PICTURES may move to another machine
begun=$(cat "$work/begun" 2>/dev/null || echo "$asked")
[ "$begun" = "$asked" ] || { echo "recipe.sh: $work was begun as '$begun': take another folder for '$asked'" >&2; exit 2; }
echo "$asked" > "$work/begun"

# Better now than after hours: torch.compile writes C++.
case " ${main[*]} " in *" --compile "*)
  command -v "${CXX:-g++}" > /dev/null || command -v clang++ > /dev/null || {
    echo "recipe.sh: $preset needs a C++ compiler (Debian, Ubuntu: g++), which torch.compile calls; it is not there" >&2; exit 2; } ;;
esac

# Threads that wait sleep instead of spinning: with other work on the machine five times as fast (two threads on two busy cores: 49
# pictures a second against 9).
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
# An allocator that gives memory back late: 5 to 10 % faster where it is installed (Debian, Ubuntu: libjemalloc2).
allocator=()
for lib in /usr/lib/*-linux-gnu/libjemalloc.so.2 /usr/lib64/libjemalloc.so.2; do
  [ -e "$lib" ] || continue
  allocator=("LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}$lib" MALLOC_CONF=background_thread:true,dirty_decay_ms:-1,muzzy_decay_ms:-1)
done

export TORCH_LOGS=${TORCH_LOGS:--all}  # compiling tells of graph breaks that cost nothing

done_at() { [ -e "$work/$1/done" ]; }
step() { # name, command..: run once, its time noted
  local name=$1 began=$SECONDS
  shift
  if done_at "$name"; then return; fi
  echo "== $name: $*"
  mkdir -p "$work/$name"
  env ${allocator[@]+"${allocator[@]}"} python "$@"
  echo "$((SECONDS - began)) s in the last sitting" > "$work/$name/done"
}

if [ -n "$pictures" ]; then
  step data data.py folder "$pictures" --out "$work/data"
else
  step data data.py build --out "$work/data"
fi
# What evaluate.py measures with; the model folder does not need it.
[ ${#judge[@]} = 0 ] || step classifier classifier.py --data "$work/data" --out "$work/classifier" "${judge[@]}" --resume
step vq train_tokenizer.py --data "$work/data" --out "$work/vq" "${vq[@]}" --resume
tokens="$work/tokens/tokens.npz" entropies="$work/entropies/entropies.npy"
step tokens encode.py tokens --data "$work/data" --tokenizer "$work/vq" --out "$tokens" --augmentations $augmentations
step validation encode.py validation --tokens "$tokens" --out "$work/validation/validation.safetensors"

# The entropy model stays small: it runs for every token, and what it costs is taken off what the patches save.
step entropy train_ar.py entropy --tokens "$tokens" --out "$work/entropy" "${entropy[@]}" --lr 5e-3 --muon-lr 8e-3 --resume
step entropies encode.py entropies --tokens "$tokens" --entropy "$work/entropy" --out "$entropies"
# The lowest threshold (to 0.1 nats) with about two tokens a patch: 3.3 nats for the shipped model.
[ -e "$work/threshold" ] ||
  python encode.py threshold --tokens "$tokens" --entropies "$entropies" --length 1.97 --out "$work/threshold"
threshold=$(cat "$work/threshold")

# cpu and gpu compile: 1.2 to 1.4 times as fast on two CPU cores, for one or two minutes at the start of each sitting.
main+=(--tokens "$tokens" --lr 6e-3 --muon-lr 1e-2 --weight-decay 0.1 --noise 0.05 --jitter 1 --val-limit 256 --resume)
step dpar train_ar.py dpar "${main[@]}" --out "$work/dpar" --layers "${dpar[@]}" --entropies "$entropies" --threshold "$threshold"
step baseline train_ar.py baseline "${main[@]}" --out "$work/baseline" --layers $baseline
step model export.py --vq "$work/vq" --entropy "$work/entropy" --dpar "$work/dpar" --baseline "$work/baseline" --tokens "$tokens" \
  --threshold "$(LC_ALL=C awk "BEGIN { print $threshold + $higher }")" "${drawn[@]}" --out "$work/model"
echo "the model folder is $work/model"
