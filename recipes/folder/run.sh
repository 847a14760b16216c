#!/usr/bin/env bash
# From a folder of speech to a codec and its prior: recipes/folder/README.md
#   recipes/folder/run.sh --audio-dir DIR [options] [Hydra overrides for stage 1, e.g. model=speech128]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../common.sh"

stop_stage=7 audio_dir= held_out_dir= tag=mine copies=1 about= prior_about= install=
settings=() prior=() integer=()
usage() {
    cat >&2 <<EOF
usage: $0 --audio-dir DIR [--held-out-dir DIR] [--stage N] [--stop-stage M] [--tag NAME]
          [--nproc N] [--copies N] [--prior OVERRIDE] [--integer OVERRIDE]
          [--about JSON] [--prior-about JSON] [--install NAME] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
read_options "audio-dir held-out-dir stage stop-stage tag nproc copies about prior-about install" \
    "prior integer" "$@"
[[ -z $smoke ]] || usage
run=$exp/$tag

# FOLDER NAME: into the package itself, where its name finds it.
into_package() {
    local pretrained
    pretrained=$(python -c 'import vqaudio.pretrained as p; print(p.HERE)')
    mkdir -p "$pretrained/$2"
    cp "$1/"*.safetensors "$1/card.json" "$pretrained/$2/"
}

if wanted 0; then
    echo "stage 0: decode, resample, trim, measure"
    [[ -n $audio_dir ]] || usage
    python -m vqaudio.data.corpora.folder "$audio_dir" "$data" \
        ${held_out_dir:+--held-out-dir "$held_out_dir"}
fi
if wanted 1; then
    echo "stage 1: train"
    train_codec "$data/train" "$data/held-out"
fi
if wanted 2; then
    echo "stage 2: encode the corpus"
    launch vqaudio.data.encode_corpus "$run/model" "$data/train" "$run/codes/train" --copies "$copies"
    launch vqaudio.data.encode_corpus "$run/model" "$data/held-out" "$run/codes/held-out"
fi
if wanted 3; then
    echo "stage 3: evaluate on held-out speech"
    vqaudio-evaluate -m "$run/model" -p codec2-3200,codec2-2400,mulaw \
        -o "$run/scorecard.json" "$data/held-out-audio"
fi
if wanted 4; then
    echo "stage 4: package"
    if [[ $run/model/model.safetensors -nt $run/scorecard.json ]]; then
        echo "$run/scorecard.json is of an earlier model: run stage 3 again" >&2
        exit 1
    fi
    python -m vqaudio.training.package "$run/model" "$run/release" \
        ${about:+--about "$about"} --scorecard "$run/scorecard.json"
    [[ -z $install ]] || into_package "$run/release" "$install"
    echo "the model is in $run/release; use it with -m, or vqaudio.load_codec"
fi
if wanted 5; then
    echo "stage 5: train a prior on the codes"
    train_prior "$run/prior-float" "$run/codes" "$run/model" "${prior[@]}"
fi
if wanted 6; then
    echo "stage 6: train it on in integers"
    train_prior "$run/prior-integer" "$run/codes" "$run/model" training=prior_integer \
        "initial='$run/prior-float/model'" "${integer[@]}"
fi
if wanted 7; then
    echo "stage 7: evaluate and package the prior"
    vqaudio-evaluate -m "$run/model" --prior "$run/prior-float/model" "$run/prior-integer/model" \
        --train-codes "$run/codes/train" -o "$run/prior-scorecard.json" "$data/held-out-audio"
    python -m vqaudio.training.package "$run/prior-integer/model" "$run/prior-release" \
        --name "${install:-$tag}-prior" ${prior_about:+--about "$prior_about"} \
        --scorecard "$run/prior-scorecard.json"
    [[ -z $install ]] || into_package "$run/prior-release" "$install-prior"
    echo "the prior is in $run/prior-release; use it with --prior, or vqaudio.load_prior"
fi
