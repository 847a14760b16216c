#!/usr/bin/env bash
# Codes and phones: recipes/phonemes/README.md
#   recipes/phonemes/run.sh [--corpus-dir DIR] [options] [Hydra overrides for stage 2]
#   recipes/phonemes/run.sh --smoke    every stage in minutes, on a made-up corpus
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../common.sh"

corpus_dir= tag=phonemes640 workers=2 alignments= server=()
train_part=train-clean-100 held_out_part=dev-clean test_part=test-clean
usage() {
    cat >&2 <<EOF
usage: $0 [--corpus-dir DIR] [--stage N] [--stop-stage M] [--tag NAME] [--nproc N] [--workers N]
          [--train-part PART] [--alignments PATH] [--smoke] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
read_options "corpus-dir stage stop-stage tag nproc workers train-part alignments" "" "$@"
settings=($(experiment phonemes640 "${overrides[@]}"))
if [[ -n $smoke ]]; then
    serve_smoke librispeech
    workers=1 server=(--server "$url" --md5sums "$data/served/md5sum.txt")
    settings+=("${smoke_codec[@]}" "model.encoder.widths=[4,6,8,12,16,16,16]")
fi
corpus_dir=${corpus_dir:-$data/download}
run=$exp/$tag
parts=("$train_part" "$held_out_part" "$test_part")

if wanted 0; then
    echo "stage 0: download ${parts[*]}"
    python -m vqaudio.data.corpora.librispeech download "$corpus_dir" --parts "${parts[@]}" "${server[@]}"
fi
if wanted 1; then
    echo "stage 1: prepare"
    python -m vqaudio.data.corpora.librispeech prepare "$corpus_dir" "$data" --workers "$workers" \
        --parts "${parts[@]}"
fi
if wanted 2; then
    echo "stage 2: train"
    # The inner quotes are for Hydra: a path may hold what its grammar takes for its own.
    launch vqaudio.cli.train "data.train='$data/$train_part'" "data.held_out='$data/$held_out_part'" \
        "output='$run'" "${settings[@]}" "${overrides[@]}"
    python -m vqaudio.training.export "$run" "$run/model"
fi
if wanted 3; then
    echo "stage 3: encode $test_part"
    launch vqaudio.data.encode_corpus "$run/model" "$data/$test_part" "$run/codes/$tag"
fi
if wanted 4; then
    echo "stage 4: align"
    python -m vqaudio.evaluation.phonemes.align "$data/$test_part" --workers "$workers" \
        ${alignments:+--alignments "$alignments"}
fi
if wanted 5; then
    echo "stage 5: score, with the packaged codecs beside"
    python -m vqaudio.cli.phonemes "$data/$test_part" -m "$run/model" -m speech128 -m speech64 \
        --codes "$run/codes" -o "$run/phonemes.json" | tee "$run/phonemes.txt"
fi
if wanted 6; then
    echo "stage 6: RESULTS.md"
    results_head "Codes and phones: $tag on $test_part"
    { echo; cat "$run/phonemes.txt"; } >> "$run/RESULTS.md.part"
    keep_results
fi
