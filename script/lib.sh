# shellcheck shell=bash
# What the scripts share: places, versions, and how they speak. Sourced, not run.

set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME npm_config_update_notifier=false

# Everything that is fetched or built, outside of the checkout, so that a second checkout and a clean
# one find it again.
cache=${LYCEUM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lyceum}
models=${LYCEUM_MODELS:-$cache/models}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
program=$CARGO_TARGET_DIR/release/lyceum
mkdir -p "$cache/stamps" "$cache/bin"

# The oldest that will do; see "engines" in web/package.json.
node_oldest=20.19.0

for folder in "$HOME/.cargo/bin" "$cache/bin"; do
    case ":$PATH:" in
    *":$folder:"*) ;;
    *) PATH=$PATH:$folder ;;
    esac
done
export PATH

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' red='' plain=''
fi

say() { printf '%s\n' "$*" >&2; }
heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain" >&2; }
step() { printf -- '-- %s\n' "$*" >&2; }
die() {
    printf '\n%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# at_least VERSION OLDEST
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# Seconds as people say them.
spell() {
    if [ "$1" -lt 100 ]; then printf '%d s' "$1"; else printf '%d min %d s' $(($1 / 60)) $(($1 % 60)); fi
}

# hash_of FILE|FOLDER... prints one checksum of the names and contents of all files.
hash_of() {
    find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# fresh STAMP HASH: whether the stamp file has that hash.
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

node_is_good() { has node && has npm && at_least "$(node --version | tr -d v)" "$node_oldest"; }
# The Node.js that bootstrap fetched, where the machine's own is missing or too old.
if [ -x "$cache/node/bin/node" ] && ! node_is_good; then
    PATH=$cache/node/bin:$PATH
fi

# The browser of the browser tests: the one named by $CHROMIUM, the system's, or the fetched one.
browser() {
    local name
    for name in "${CHROMIUM:-}" chromium google-chrome google-chrome-stable "$cache/browser/chromium"; do
        if [ -n "$name" ] && has "$name" && "$name" --version >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# The web app, which the program carries inside.
build_web() {
    local stamp=web/node_modules/.lyceum-dist want
    want=$(hash_of web/src web/public web/index.html web/package-lock.json web/vite.config.ts web/tsconfig.json)
    if [ -f web/dist/index.html ] && fresh "$stamp" "$want"; then
        return
    fi
    step "building the web app, about 10–60 s"
    (cd web && npm run --silent build -- --logLevel warn) >&2
    printf '%s\n' "$want" >"$stamp"
}

# compiling COMMAND...: runs what compiles, so that a clone of what was compiled already is not
# compiled again (see times.py). One at a time, for the times are those of one checkout.
compiling() (
    local result=0
    mkdir -p "$CARGO_TARGET_DIR"
    exec 9>"$CARGO_TARGET_DIR/times.lock"
    flock 9
    python3 script/times.py restore "$CARGO_TARGET_DIR"
    "$@" 9>&- || result=$?
    python3 script/times.py keep "$CARGO_TARGET_DIR"
    exit "$result"
)

# All programs of the workspace in the one profile that the tests use, too, so that nothing is
# compiled twice.
build_programs() {
    local arguments=(build --release --locked --workspace "$@")
    if [ ! -x "$program" ]; then
        step "compiling the program; the first time takes 10 to 20 min on 2 cores"
    fi
    compiling env SQLX_OFFLINE=true cargo "${arguments[@]}"
}

# Models that only the program can bring into the form that it reads.
convert_models() {
    [ -n "$(compgen -G "$models/sources/*")" ] || return 0
    step "converting models for the local engine, some seconds"
    "$program" models import --from "$models/sources" --models "$models" >"$cache/import.log" ||
        { cat "$cache/import.log" >&2 && return 1; }
    rm -r "$models/sources"
}
