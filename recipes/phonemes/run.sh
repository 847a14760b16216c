#!/usr/bin/env bash
# Codes and phones: recipes/phonemes/README.md
#   recipes/phonemes/run.sh [--corpus-dir DIR] [options] [Hydra overrides for stage 2]
#   recipes/phonemes/run.sh --audio-dir DIR --transcripts FILE [options] [Hydra overrides for stage 2]
#   recipes/phonemes/run.sh --smoke    every stage in minutes, on a made-up corpus
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../common.sh"

corpus_dir= tag=phonemes640 workers=2 alignments= server=()
audio_dir= held_out_dir= held_out_clips= transcripts= test_dir= heard= exclude=()
train_part=train-clean-100 held_out_part=dev-clean test_part=test-clean
usage() {
    cat >&2 <<EOF
usage: $0 [--corpus-dir DIR] [--stage N] [--stop-stage M] [--tag NAME] [--nproc N] [--workers N]
          [--train-part PART] [--alignments PATH] [--smoke] [HYDRA_OVERRIDE...]
       $0 --audio-dir DIR [--held-out-dir DIR | --held-out-clips SHARE] [--exclude FOLDER]...
          [--transcripts FILE [--test-dir DIR]] [--heard FILE] [the rest as above]
EOF
    exit 2
}
read_options "corpus-dir stage stop-stage tag nproc workers train-part alignments audio-dir \
held-out-dir held-out-clips transcripts test-dir heard" "exclude" "$@"
settings=($(experiment phonemes640 "${overrides[@]}"))
if [[ -n $smoke ]]; then
    serve_smoke librispeech
    workers=1 server=(--server "$url" --md5sums "$data/served/md5sum.txt")
    settings+=("${smoke_codec[@]}" "model.encoder.widths=[4,6,8,12,16,16,16]")
fi
corpus_dir=${corpus_dir:-$data/download}
run=$exp/$tag
parts=("$train_part" "$held_out_part" "$test_part")
train=$data/$train_part held_out=$data/$held_out_part tests=("$test_part")
if [[ -n $audio_dir ]]; then
    train=$data/train held_out=$data/held-out
    tests=(${transcripts:+transcribed} ${heard:+heard})
    [[ ${#tests[@]} -gt 0 ]] || usage
fi
sides=(
    ${held_out_dir:+--held-out-dir "$held_out_dir"} ${held_out_clips:+--held-out-clips "$held_out_clips"}
)
# What says which run it is, for the results.
given=(
    ${smoke:+--smoke} ${audio_dir:+--audio-dir "$audio_dir"} "${sides[@]}"
    ${transcripts:+--transcripts "$transcripts"} ${test_dir:+--test-dir "$test_dir"}
    ${heard:+--heard "$heard"}
)
for folder in "${exclude[@]}"; do given+=(--exclude "$folder"); done
given+=("${overrides[@]}")

if wanted 0 && [[ -z $audio_dir ]]; then
    echo "stage 0: download ${parts[*]}"
    python -m vqaudio.data.corpora.librispeech download "$corpus_dir" --parts "${parts[@]}" "${server[@]}"
fi
if wanted 1; then
    echo "stage 1: prepare"
    if [[ -z $audio_dir ]]; then
        python -m vqaudio.data.corpora.librispeech prepare "$corpus_dir" "$data" --workers "$workers" \
            --parts "${parts[@]}"
    else
        python -m vqaudio.data.corpora.folder "$audio_dir" "$data" --workers "$workers" \
            "${sides[@]}" ${exclude:+--exclude "${exclude[@]}"}
        [[ -z $transcripts ]] || python -m vqaudio.data.corpora.transcribed \
            "${test_dir:-$audio_dir}" "$data/transcribed" --workers "$workers" --transcripts "$transcripts"
        [[ -z $heard ]] || python -m vqaudio.data.corpora.transcribed \
            "$(dirname "$heard")" "$data/heard" --workers "$workers" --transcripts "$heard" --all
    fi
fi
if wanted 2; then
    echo "stage 2: train"
    train_codec "$train" "$held_out"
fi
if wanted 3; then
    for test in "${tests[@]}"; do
        echo "stage 3: encode $test"
        launch vqaudio.data.encode_corpus "$run/model" "$data/$test" "$run/codes/$test/$tag"
    done
fi
if wanted 4; then
    for test in "${tests[@]}"; do
        echo "stage 4: align $test"
        recogniser=()
        [[ $test != heard ]] || recogniser=(--recogniser)
        python -m vqaudio.evaluation.phonemes.align "$data/$test" --workers "$workers" \
            "${recogniser[@]}" ${alignments:+--alignments "$alignments"}
    done
fi
if wanted 5; then
    for test in "${tests[@]}"; do
        echo "stage 5: score $test, with the packaged codecs beside"
        python -m vqaudio.cli.phonemes "$data/$test" -m "$run/model" -m speech128 -m speech64 \
            --trained-on "$train" --codes "$run/codes/$test" -o "$run/$test.json" | tee "$run/$test.txt"
    done
fi
if wanted 6; then
    echo "stage 6: RESULTS.md"
    results_head "Codes and phones: $tag"
    {
        printf '\n    recipes/phonemes/run.sh%s\n\n' "$([[ ${#given[@]} -eq 0 ]] || printf ' %q' "${given[@]}")"
        printf 'In van den Oord et al. 2017: 49.3 %% of 41 phones, told from 25 codes a second, of 128;\n'
        printf '7.2 %% by always guessing the most frequent.\n'
        for test in "${tests[@]}"; do printf '\n## %s\n\n' "$test"; cat "$run/$test.txt"; done
    } >> "$run/RESULTS.md.part"
    keep_results
fi
