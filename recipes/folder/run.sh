#!/usr/bin/env bash
# From a folder of speech to a codec: recipes/folder/README.md
#   recipes/folder/run.sh --audio-dir DIR [options] [Hydra overrides for stage 1, e.g. model=speech128]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# In a checkout that tools/demo or tools/test has set up, its programs; else those in PATH.
[[ -d $here/../../.venv/bin ]] && PATH="$here/../../.venv/bin:$PATH"

stage=0 stop_stage=4 audio_dir= held_out_dir= tag=mine nproc=1 about= install=
usage() {
    cat >&2 <<EOF
usage: $0 --audio-dir DIR [--held-out-dir DIR] [--stage N] [--stop-stage M] [--tag NAME]
          [--nproc N] [--about JSON] [--install NAME] [HYDRA_OVERRIDE...]
EOF
    exit 2
}
while [[ $# -gt 0 && $1 == --* ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --stage) stage=$2 ;;
        --stop-stage) stop_stage=$2 ;;
        --audio-dir) audio_dir=$2 ;;
        --held-out-dir) held_out_dir=$2 ;;
        --tag) tag=$2 ;;
        --nproc) nproc=$2 ;;
        --about) about=$2 ;;
        --install) install=$2 ;;
        *) usage ;;
    esac
    shift 2
done
data=${VQAUDIO_DATA:-$here/data} run=${VQAUDIO_EXP:-$here/exp}/$tag

wanted() { [[ $stage -le $1 && $1 -le $stop_stage ]]; }
# Several processes only where asked for: one needs no process group.
launch() { if [[ $nproc -gt 1 ]]; then torchrun --nproc-per-node "$nproc" -m "$@"; else python -m "$@"; fi; }

if wanted 0; then
    echo "stage 0: decode, resample, trim, measure"
    [[ -n $audio_dir ]] || usage
    python -m vqaudio.data.corpora.folder "$audio_dir" "$data" \
        ${held_out_dir:+--held-out-dir "$held_out_dir"}
fi
if wanted 1; then
    echo "stage 1: train"
    # The inner quotes are for Hydra: a path may hold what its grammar takes for its own.
    launch vqaudio.cli.train "data.train='$data/train'" "data.held_out='$data/held-out'" \
        "output='$run'" "$@"
    python -m vqaudio.training.export "$run" "$run/model"
fi
if wanted 2; then
    echo "stage 2: encode the corpus"
    launch vqaudio.data.encode_corpus "$run/model" "$data/train" "$run/codes/train"
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
    if [[ -n $install ]]; then
        pretrained=$(python -c 'import vqaudio.pretrained as p; print(p.HERE)')
        mkdir -p "$pretrained/$install"
        cp "$run/release/"*.safetensors "$run/release/card.json" "$pretrained/$install/"
    fi
    echo "the model is in $run/release; use it with -m, or vqaudio.load_codec"
fi
