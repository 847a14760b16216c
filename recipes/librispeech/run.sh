#!/usr/bin/env bash
# Speech that is made up, after LibriSpeech: recipes/librispeech/README.md
#   recipes/librispeech/run.sh [--corpus-dir DIR] [options] [Hydra overrides for stage 2]
#   recipes/librispeech/run.sh --smoke    every stage in minutes, on a made-up corpus
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../common.sh"

corpus_dir= tag=librispeech128 workers=2 samples=16 seconds=2.56 server=() prior=() judging=()
train_parts=(train-clean-100 train-clean-360)
usage() {
    cat >&2 <<EOF
usage: $0 [--corpus-dir DIR] [--stage N] [--stop-stage M] [--tag NAME] [--nproc N] [--workers N]
          [--prior OVERRIDE] [--samples N] [--seconds S] [--smoke] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
read_options "corpus-dir stage stop-stage tag nproc workers samples seconds" "prior" "$@"
settings=($(experiment librispeech128 "${overrides[@]}"))
prior_settings=($(experiment librispeech128-prior "${prior[@]}"))
if [[ -n $smoke ]]; then
    serve_smoke librispeech
    workers=1 samples=2 judging=(--jobs 1) server=(--server "$url" --md5sums "$data/served/md5sum.txt")
    settings+=("${smoke_codec[@]}" "model.encoder.widths=[4,6,8,12,16,16,16]")
    prior_settings+=("${smoke_prior[@]}")
fi
corpus_dir=${corpus_dir:-$data/download}
run=$exp/$tag
librispeech() { python -m vqaudio.data.corpora.librispeech "$@"; }

if wanted 0; then
    echo "stage 0: download"
    librispeech download "$corpus_dir" --parts "${train_parts[@]}" dev-clean test-clean "${server[@]}"
fi
if wanted 1; then
    echo "stage 1: prepare"
    librispeech prepare "$corpus_dir" "$data" --workers "$workers" --name train-clean-460 \
        --parts "${train_parts[@]}"
    librispeech prepare "$corpus_dir" "$data" --workers "$workers" --audio --parts dev-clean test-clean
fi
if wanted 2; then
    echo "stage 2: train the codec"
    train_codec "$data/train-clean-460" "$data/dev-clean"
fi
if wanted 3; then
    echo "stage 3: encode the corpus"
    launch vqaudio.data.encode_corpus "$run/model" "$data/train-clean-460" "$run/codes/train"
    launch vqaudio.data.encode_corpus "$run/model" "$data/dev-clean" "$run/codes/held-out"
fi
if wanted 4; then
    echo "stage 4: train the prior"
    train_prior "$run/prior" "$run/codes" "$run/model" "${prior_settings[@]}" "${prior[@]}"
fi
if wanted 5; then
    echo "stage 5: sample"
    vqaudio-sample -m "$run/model" --prior "$run/prior/model" -n "$samples" -s "$seconds" --force \
        -o "$run/samples"
fi
if wanted 6; then
    echo "stage 6: evaluate on test-clean"
    results_head "LibriSpeech: $tag on test-clean"
    vqaudio-evaluate -q "${judging[@]}" -m "$run/model" -m speech128 -p none -o "$run/scorecard.json" \
        "$data/test-clean-audio"
    vqaudio-evaluate -q "${judging[@]}" -m "$run/model" --prior "$run/prior/model" --train-codes "$run/codes/train" \
        --samples "$samples" --seconds "$seconds" -o "$run/prior-scorecard.json" \
        "$data/test-clean-audio"
    results_of "The codec, beside the packaged one of its rate" "$run/scorecard.json"
    results_of "The prior: bits per code, and what it makes up" "$run/prior-scorecard.json"
    keep_results
fi
