# What the recipes share. A run.sh sets `here`, its folder, and sources this.

# In a checkout that tools/demo or tools/test has set up, its programs; else those in PATH.
[[ -d $here/../../.venv/bin ]] && PATH="$here/../../.venv/bin:$PATH"

stage=0 stop_stage=6 nproc=1 smoke= overrides=()
data=$(realpath -ms "${VQAUDIO_DATA:-$here/data}") exp=$(realpath -ms "${VQAUDIO_EXP:-$here/exp}")

# NAMES LISTS ARGUMENT...: the value after --a-name into $a_name, that after --a-list onto the array
# a_list, which is there already; --smoke stands alone; what follows the options into `overrides`.
read_options() {
    local names=" $1 " lists=" $2 " name
    shift 2
    while [[ $# -gt 0 && $1 == --* ]]; do
        name=${1#--}
        if [[ $name == smoke ]]; then smoke=1; shift; continue; fi
        [[ $# -ge 2 ]] || usage
        if [[ $names == *" $name "* ]]; then
            printf -v "${name//-/_}" %s "$2"
        elif [[ $lists == *" $name "* ]]; then
            local -n list=${name//-/_}
            list+=("$2")
        else
            usage
        fi
        shift 2
    done
    overrides+=("$@")
}

wanted() { [[ $stage -le $1 && $1 -le $stop_stage ]]; }
# Several processes only where asked for: one needs no process group.
launch() { if [[ $nproc -gt 1 ]]; then torchrun --nproc-per-node "$nproc" -m "$@"; else python -m "$@"; fi; }

# NAME OVERRIDE...: the experiment NAME, unless the overrides name one.
experiment() {
    local name=$1 one
    shift
    for one in "$@"; do [[ $one != experiment=* ]] || return 0; done
    echo "experiment=$name"
}

# TRAIN HELD_OUT: the codec of this run by `settings` and `overrides`, from two prepared corpora, and its
# export.
train_codec() {
    # The inner quotes are for Hydra: a path may hold what its grammar takes for its own.
    launch vqaudio.cli.train "data.train='$1'" "data.held_out='$2'" "output='$run'" \
        "${settings[@]}" "${overrides[@]}"
    python -m vqaudio.training.export "$run" "$run/model"
}
# OUTPUT CODES MODEL OVERRIDE...: a prior of the codes in CODES/train, which MODEL made, and its export.
train_prior() {
    local output=$1 codes=$2 model=$3
    shift 3
    launch vqaudio.cli.train --config-name train_prior "data.train='$codes/train'" \
        "data.held_out='$codes/held-out'" "data.codec='$model'" "output='$output'" "$@"
    # Not the last one: a prior learns a small corpus by heart, and then knows less of other speech.
    python -m vqaudio.training.export_prior "$output" "$output/model" \
        --checkpoint "$output/checkpoints/best.pt"
}

# CORPUS: all that --smoke needs; a corpus in the layout of the real one, from a server on this machine,
# whose address comes into $url. What it serves is in $data/served.
serve_smoke() {
    data=$data/smoke exp=$exp/smoke
    mkdir -p "$data"
    coproc smoke_server { exec python "$here/../smoke.py" "$1" "$data/served"; }
    trap 'kill "$smoke_server_PID" 2>/dev/null || true' EXIT
    read -r url <&"${smoke_server[0]}"
}
smoke_loop="{steps: 30, log_every: 10, eval_every: 10, num_workers: 0, threads: 1}"
# So few steps at the rate of thousands would leave one code in use: the warm-up keeps the rate low.
smoke_codec=(
    model.quantizer.codebook_size=16 model.decoder.width=24 model.decoder.blocks=1
    "training.crops={batch_size: 2, seconds: 0.512}" training.quantize_from=10
    training.codebook.kmeans_vectors=200 training.precision=fp32 "training.loop=$smoke_loop"
)
smoke_prior=(
    model.codebook_size=16
    "model.network={width: 8, skip: 8, kernel: 2, dilations: [1, 2], cycles: 1}"
    "training.chunks={batch_size: 2, length: 64}" training.precision=fp32 "training.loop=$smoke_loop"
    training.average_decay=.8 training.optimizer.warmup=5 training.optimizer.decay=10
)

# TITLE: the beginning of RESULTS.md, which has its name when it is whole.
results_head() {
    echo "# $1" > "$run/RESULTS.md.part"
    [[ -z $smoke ]] || printf '\nA made-up corpus of a few words: these figures mean nothing.\n' >> "$run/RESULTS.md.part"
}
# TITLE REPORT: a section with the table of a report of vqaudio-evaluate, in which nothing depends on the
# machine's speed.
results_of() {
    printf '\n## %s\n\n```\n' "$1"
    python -m vqaudio.cli.report "$2"
    echo '```'
} >> "$run/RESULTS.md.part"

keep_results() {
    mv "$run/RESULTS.md.part" "$run/RESULTS.md"
    echo "the results are in $run/RESULTS.md"
}
