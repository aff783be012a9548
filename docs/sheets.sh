#!/usr/bin/env bash
# Makes things.png and mixes.png: what the built-in model draws by DPAR (left) and by the fixed-length baseline (right), at the same
# seeds, from 1 on, and its default settings.
#
#   docs/sheets.sh [DPAR]       DPAR is the program (default: dpar); needs ImageMagick
set -euo pipefail
dpar=${1:-dpar} here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
font=(-font "${FONT:-DejaVu-Sans}" -pointsize 13)

# sheet FILE SEEDS PAIRS PROMPT..: a row for each prompt, PAIRS of rows beside each other.
sheet() {
  local file=$1 seeds=$2 pairs=$3 rows=() prompt kind seed n=0
  shift 3
  for prompt; do
    n=$((n + 1))
    for kind in dpar baseline; do
      local pictures=()
      for seed in $(seq "$seeds"); do
        pictures+=("$work/$seed.png")
        "$dpar" generate --device cpu --class "$prompt" --seed "$seed" $([ $kind = dpar ] || echo --baseline) \
          --out "$work/$seed.png" > /dev/null 2>&1
      done
      montage "${pictures[@]}" -resize 88x88 -geometry +2+2 -tile "${seeds}x1" "$work/$n.$kind.png"
    done
    convert "$work/$n.dpar.png" -size 18x1 xc:white "$work/$n.baseline.png" +append -gravity northwest -background white -splice 0x18 "${font[@]}" \
      -annotate +4+2 "$prompt" "$work/row.$n.png"
    rows+=("$work/row.$n.png")
  done
  montage "${rows[@]}" -tile "${pairs}x" -geometry +8+2 -gravity west "$work/all.png"
  convert "$work/all.png" -colors 256 "PNG8:$here/$file"
}

sheet things.png 6 1 automobile "cat face" "grinning face" hamburger owl pizza "red apple" "red heart" sailboat tulip \
  animal-bird food-fruit heart
sheet mixes.png 4 2 "red heart + cat face" "owl + panda" "sailboat + rocket" "red apple + grinning face" "ghost + grinning face" \
  "2 hamburger + cat face" "strawberry + red heart" "tulip + red heart" "crescent moon + cat face" "automobile + ghost" \
  "panda + strawberry" "star + grinning face"
