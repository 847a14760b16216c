#!/usr/bin/env bash
# Codes and phones: recipes/phonemes/README.md
#   recipes/phonemes/run.sh [--corpus-dir DIR] [options] [Hydra overrides for stage 2]
#   recipes/phonemes/run.sh --smoke    every stage in minutes, on a made-up corpus
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# In a checkout that tools/demo or tools/test has set up, its programs; else those in PATH.
[[ -d $here/../../.venv/bin ]] && PATH="$here/../../.venv/bin:$PATH"

stage=0 stop_stage=6 corpus_dir= tag=phonemes640 nproc=1 workers=2 alignments= smoke=
train_part=train-clean-100 held_out_part=dev-clean test_part=test-clean server=()
usage() {
    cat >&2 <<EOF
usage: $0 [--corpus-dir DIR] [--stage N] [--stop-stage M] [--tag NAME] [--nproc N] [--workers N]
          [--train-part PART] [--alignments PATH] [--smoke] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
while [[ $# -gt 0 && $1 == --* ]]; do
    if [[ $1 == --smoke ]]; then smoke=1; shift; continue; fi
    [[ $# -ge 2 ]] || usage
    case $1 in
        --corpus-dir) corpus_dir=$2 ;;
        --stage) stage=$2 ;;
        --stop-stage) stop_stage=$2 ;;
        --tag) tag=$2 ;;
        --nproc) nproc=$2 ;;
        --workers) workers=$2 ;;
        --train-part) train_part=$2 ;;
        --alignments) alignments=$2 ;;
        *) usage ;;
    esac
    shift 2
done
data=${VQAUDIO_DATA:-$here/data} exp=${VQAUDIO_EXP:-$here/exp}
overrides=(experiment=phonemes640)
if [[ -n $smoke ]]; then
    data=$data/smoke exp=$exp/smoke
    # A corpus in the layout of the real one, from a server on this machine.
    mkdir -p "$data"
    coproc server_of_smoke { exec python "$here/smoke.py" "$data/served"; }
    trap 'kill "$server_of_smoke_PID" 2>/dev/null || true' EXIT
    read -r url <&"${server_of_smoke[0]}"
    server=(--server "$url" --md5sums "$data/served/md5sum.txt")
    overrides+=(
        "model.encoder.widths=[4,6,8,12,16,16,16]" "model.decoder.width=24" "model.decoder.blocks=1"
        "model.quantizer.codebook_size=16" training.crops.batch_size=2 training.quantize_from=10
        training.codebook.kmeans_vectors=200 training.precision=fp32
        "training.loop={steps: 30, log_every: 10, eval_every: 30, num_workers: 0, threads: 1}"
    )
fi
corpus_dir=${corpus_dir:-$data/download}
run=$exp/$tag

wanted() { [[ $stage -le $1 && $1 -le $stop_stage ]]; }
# Several processes only where asked for: one needs no process group.
launch() { if [[ $nproc -gt 1 ]]; then torchrun --nproc-per-node "$nproc" -m "$@"; else python -m "$@"; fi; }
parts=("$train_part" "$held_out_part" "$test_part")

if wanted 0; then
    echo "stage 0: download ${parts[*]}"
    python -m vqaudio.data.corpora.librispeech download "$corpus_dir" --parts "${parts[@]}" "${server[@]}"
fi
if wanted 1; then
    echo "stage 1: prepare"
    python -m vqaudio.data.corpora.librispeech prepare "$corpus_dir" "$data" --parts "${parts[@]}"
fi
if wanted 2; then
    echo "stage 2: train"
    # The inner quotes are for Hydra: a path may hold what its grammar takes for its own.
    launch vqaudio.cli.train "data.train='$data/$train_part'" "data.held_out='$data/$held_out_part'" \
        "output='$run'" "${overrides[@]}" "$@"
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
    {
        echo "# Codes and phones: $tag on $test_part"
        echo
        [[ -z $smoke ]] || printf 'A few words, said alike by all: these figures mean nothing.\n\n'
        cat "$run/phonemes.txt"
    } > "$run/RESULTS.md"
    echo "the results are in $run/RESULTS.md"
fi
