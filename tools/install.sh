#!/bin/sh
# Installs miqa-node @VERSION@ into a folder of its own: sh install.sh [FOLDER], by default /opt/miqa-@VERSION@.
# Whatever differs from the lock is refused. With the folder wheels/ beside it, from the bundle, it needs no network.
# ACCEL=gpu is for an NVIDIA GPU, PYTHON=python3.12 another Python than python3.
set -eu
cd "$(dirname "$0")"
umask 022
folder=${1:-/opt/miqa-@VERSION@}
python=${PYTHON:-python3}
lock=miqa-node-${ACCEL:-cpu}.lock

fail() { echo "install.sh: $*" >&2; exit 1; }

sha256sum --check --quiet --ignore-missing SHA256SUMS || fail "files are not those of the release: copy them again."
[ -e "$lock" ] || fail "there is no $lock here; the bundle is for ACCEL=cpu alone."
[ ! -e "$folder" ] || fail "$folder is there already: remove it, or name another folder."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed: PYTHON=python3.12 sh install.sh"
trap 'status=$?; [ "$status" = 0 ] || rm -rf "$folder"; exit "$status"' EXIT
"$python" -m venv "$folder" || fail "on Debian and Ubuntu install the package python3-venv."
if [ -d wheels ]; then links="--no-index --find-links wheels"; else links="--find-links ."; fi
# shellcheck disable=SC2086
"$folder/bin/python" -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --only-binary :all: \
    $links --requirement "$lock" || fail "nothing was installed. Without a network: the bundle, which is for Python 3.11 to 3.13 on x86-64."
echo "$("$folder/bin/miqa-node" --version) is in $folder."
