#!/usr/bin/env bash
# Reconstruction and speaker conversion on VCTK: recipes/vctk/README.md
#   recipes/vctk/run.sh [--corpus-dir DIR] [options] [Hydra overrides for stage 2]
#   recipes/vctk/run.sh --audio-dir DIR    the same on any folder with one folder per speaker
#   recipes/vctk/run.sh --smoke            every stage in minutes, on a made-up corpus
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../common.sh"

corpus_dir= audio_dir= tag= decoder=feedforward workers=2 held_out_clips=.03 clips=4 voices=4 from=()
exclude=() prior=() conversion=() waveform=() judging=() sampling=()
usage() {
    cat >&2 <<EOF
usage: $0 [--corpus-dir DIR | --audio-dir DIR [--exclude FOLDER]...] [--stage N] [--stop-stage M]
          [--decoder feedforward|wavenet] [--tag NAME] [--nproc N] [--workers N] [--held-out-clips SHARE]
          [--prior OVERRIDE]... [--conversion OPTION]... [--clips N] [--voices N]
          [--smoke] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
read_options "corpus-dir audio-dir stage stop-stage decoder tag nproc workers held-out-clips clips voices" \
    "exclude prior conversion" "$@"
[[ $decoder == feedforward || $decoder == wavenet ]] || usage
name=vctk64
[[ $decoder == feedforward ]] || name=vctk64-wavenet
settings=($(experiment $name "${overrides[@]}"))
prior_settings=($(experiment vctk64-prior "${prior[@]}"))
if [[ -n $smoke ]]; then
    serve_smoke vctk
    workers=1 judging=(--jobs 1) sampling=(--samples 2 --seconds .5)
    held_out_clips=.25 clips=1 voices=2
    from=(--url "$url/VCTK-Corpus-0.92.zip" --sha256 "$(cat "$data/served/sha256sum.txt")")
    settings+=("${smoke_codec[@]}" "model.encoder={widths: [4, 6, 8, 12, 16, 16], blocks: 1}")
    prior_settings+=("${smoke_prior[@]}")
    conversion=(--pairs 1 --target-seconds 5 --seconds 3 --stretches 6)
    waveform=(--seconds .2)
    [[ $decoder == feedforward ]] || settings+=(
        "model.decoder.network={width: 8, skip: 8, kernel: 2, dilations: [1, 2], cycles: 1}"
        training.seconds_shown=0
    )
fi
corpus_dir=${corpus_dir:-$data/download}
run=$exp/${tag:-$name}
# N: up to so many lines of what comes in, spread over it.
spread() {
    awk -v n="$1" '{ line[NR] = $0 } END { if (n > NR) n = NR; for (i = 0; i < n; i++) print line[int(i * NR / n) + 1] }'
}

if wanted 0; then
    echo "stage 0: download"
    [[ -n $audio_dir ]] || python -m vqaudio.data.corpora.vctk download "$corpus_dir" "${from[@]}"
fi
if wanted 1; then
    echo "stage 1: prepare"
    if [[ -n $audio_dir ]]; then
        python -m vqaudio.data.corpora.folder "$audio_dir" "$data" --workers "$workers" \
            --held-out-clips "$held_out_clips" ${exclude:+--exclude "${exclude[@]}"}
    else
        python -m vqaudio.data.corpora.vctk prepare "$corpus_dir" "$data" --workers "$workers" \
            --held-out-clips "$held_out_clips"
    fi
fi
if wanted 2; then
    echo "stage 2: train the codec"
    if [[ $decoder == wavenet ]]; then
        launch vqaudio.cli.train --config-name train_waveform "data.train='$data/train'" \
            "data.held_out='$data/held-out'" "output='$run'" "${settings[@]}" "${overrides[@]}"
        python -m vqaudio.training.export_waveform "$run" "$run/model"
    else
        train_codec "$data/train" "$data/held-out"
    fi
fi
if wanted 3 && [[ $decoder == feedforward ]]; then
    echo "stage 3: encode the corpus"
    launch vqaudio.data.encode_corpus "$run/model" "$data/train" "$run/codes/train"
    launch vqaudio.data.encode_corpus "$run/model" "$data/held-out" "$run/codes/held-out"
fi
if wanted 4 && [[ $decoder == feedforward ]]; then
    echo "stage 4: train the prior"
    train_prior "$run/prior" "$run/codes" "$run/model" "${prior_settings[@]}" "${prior[@]}"
fi
if wanted 5; then
    echo "stage 5: convert held-out clips"
    mapfile -t held_out < <(cd "$data/held-out-audio" && find . -name '*.flac' -printf '%P\n' | LC_ALL=C sort)
    mapfile -t chosen < <(printf '%s\n' "${held_out[@]}" | spread "$clips")
    mapfile -t targets < <(printf '%s\n' "${held_out[@]%/*}" | uniq | spread "$voices")
    rm -rf "$run/converted"  # what was chosen otherwise before is not to be converted again
    mkdir -p "$run/converted/original"
    (cd "$data/held-out-audio" && cp --parents "${chosen[@]}" "$run/converted/original")
    [[ $decoder == wavenet ]] ||
        vqaudio-encode -q -f -m "$run/model" -o "$run/converted/codes" "$run/converted/original"
    for speaker in "${targets[@]}"; do
        into=$run/converted/as-${speaker//\//-}
        if [[ $decoder == wavenet ]]; then
            python -m vqaudio.cli.waveform "$run/model" "$run/converted/original" -q -f \
                --speaker "$speaker" -o "$into" "${waveform[@]}"
        else
            vqaudio-decode -q -f -m "$run/model" --speaker "$speaker" -o "$into" "$run/converted/codes"
        fi
    done
    echo "they are in $run/converted"
fi
if wanted 6; then
    echo "stage 6: evaluate on held-out clips"
    results_head "Reconstruction and conversion: ${run##*/}"
    if [[ $decoder == wavenet ]]; then
        python -m vqaudio.cli.waveform "$run/model" "$data/held-out-audio" -q -f --draw "$clips" \
            -o "$run/waveform" "${waveform[@]}" > "$run/waveform.txt"
        printf '\n## What samples cost: told the codes, the codes shuffled, and none\n\n' >> "$run/RESULTS.md.part"
        grep '^|' "$run/waveform.txt" >> "$run/RESULTS.md.part"
    else
        vqaudio-evaluate -q "${judging[@]}" -m "$run/model" -m speech64 -p none -o "$run/scorecard.json" \
            "$data/held-out-audio"
        results_of "Reconstruction, beside the packaged codec of its rate" "$run/scorecard.json"
        vqaudio-evaluate -q "${judging[@]}" -m "$run/model" --prior "$run/prior/model" "${sampling[@]}" \
            --train-codes "$run/codes/train" -o "$run/prior-scorecard.json" "$data/held-out-audio"
        results_of "The prior" "$run/prior-scorecard.json"
        python -m vqaudio.cli.conversion "$data/train" -m "$run/model" -m speech64 \
            -o "$run/conversion.json" "${conversion[@]}" > "$run/conversion.txt"
        printf '\n## Conversion, and who speaks told from codes\n\n' >> "$run/RESULTS.md.part"
        cat "$run/conversion.txt" >> "$run/RESULTS.md.part"
    fi
    keep_results
fi
