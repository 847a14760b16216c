#!/usr/bin/env bash
# What each part of the codec is good for: recipes/ablations/README.md
#   recipes/ablations/run.sh --audio-dir DIR [options] [Hydra overrides for stage 1, of every row]
#   recipes/ablations/run.sh --smoke    every stage in a minute, on two sentences
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../common.sh"

# Files of configs/ablation, the most telling first: the table can be made before all have run.
rows="base other-seed codebook-loss beta-0 beta-0.1 beta-2 no-straight-through no-restart random-start
      autoencoder gaussian scalar kmeans-untrained random-untrained sphere random-no-restart paper"
stop_stage=3 audio_dir= held_out_dir= tag=ablations split=() settings=()
usage() {
    cat >&2 <<EOF
usage: $0 --audio-dir DIR [--held-out-dir DIR] [--stage N] [--stop-stage M] [--tag NAME]
          [--rows "ROW..."] [--smoke] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
read_options "audio-dir held-out-dir stage stop-stage tag rows" "" "$@"
if [[ -n $smoke ]]; then
    data=$data/smoke exp=$exp/smoke
    audio_dir=$here/../../tests/speech split=(--held-out-clips 0.5)
    settings=(model=ablation_smoke training=ablation_smoke)
elif [[ -n $held_out_dir ]]; then
    split=(--held-out-dir "$held_out_dir")
fi
run=$exp/$tag

# Not in quotes: $rows are words.
ablations() { python -m vqaudio.cli.ablations "$1" "$run" --rows $rows "${@:2}"; }

if wanted 0; then
    echo "stage 0: prepare"
    [[ -n $audio_dir ]] || usage
    python -m vqaudio.data.corpora.folder "$audio_dir" "$data" "${split[@]}"
fi
if wanted 1; then
    echo "stage 1: train every row"
    ablations train --data "$data" --overrides "${settings[@]}" "${overrides[@]}"
fi
if wanted 2; then
    echo "stage 2: measure every row"
    ablations measure
fi
if wanted 3; then
    echo "stage 3: RESULTS.md"
    {
        echo "# What each part of the codec is good for"
        echo
        [[ -z $smoke ]] || printf 'Two sentences, for a moment: these figures mean nothing.\n\n'
        ablations table
    } > "$run/RESULTS.md.part"
    keep_results
fi
