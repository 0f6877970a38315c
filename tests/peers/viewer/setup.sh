#!/usr/bin/env bash
# Fetches the OHIF viewer, as its makers publish it for npm, and Playwright's driver for Chromium into one folder:
#
#     tests/peers/viewer/setup.sh [FOLDER]        default: ${XDG_CACHE_HOME:-~/.cache}/miqa-viewer
#
# The versions are pinned by the SHA-512 of their packages, and nothing else is fetched: no browser, no dependencies.
# Prints the folder. A second run finds everything there and fetches nothing.
set -euo pipefail

FOLDER=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/miqa-viewer}
PACKAGES=(
    "@ohif/app 3.12.10 0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
    "playwright-core 1.65.1 hqPpz7blSMPxWVdoeE1yiBSzXsKiVOd2k+kjCvmUywD2GPO2Dd9HfcWnq9NN0GHbNZDFgZ9JfBFr+X5/BLo0qw=="
)

main() {
    command -v npm >/dev/null || { echo "npm is not installed (Debian: nodejs npm)" >&2; exit 2; }
    mkdir -p "$FOLDER"
    for package in "${PACKAGES[@]}"; do
        # shellcheck disable=SC2086 - three words on purpose
        fetch $package
    done
    echo "$FOLDER"
}

fetch() {
    local name=$1 version=$2 digest=$3
    local target=$FOLDER/node_modules/$name
    [ -e "$target/.pinned-$version" ] && return
    local work archive
    work=$(mktemp -d)
    archive=$(cd "$work" && npm pack --silent "$name@$version" | tail -n 1)
    if [ "$(openssl dgst -sha512 -binary "$work/$archive" | base64 -w 0)" != "$digest" ]; then
        echo "$name@$version is not the package that was pinned" >&2
        exit 1
    fi
    rm -rf "$target" && mkdir -p "$target"
    tar -xzf "$work/$archive" -C "$target" --strip-components=1
    touch "$target/.pinned-$version"
    rm -rf "$work"
}

main
