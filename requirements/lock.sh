#!/bin/sh
# Writes the locks: exact versions for every Python from 3.11 on and every platform, with the hashes of the public index.
# Options are handed to `uv pip compile`, for example --upgrade. A lock keeps its versions unless pyproject.toml forbids them.
set -eu
cd "$(dirname "$0")/.."

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check 'uv>=0.9'

compile() {
    "$venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-strip-extras --custom-compile-command 'make lock' "$@"
}

# The widest set first; the others are parts of it, so that all of them fit into one environment.
compile pyproject.toml --extra entra --extra google --extra keyring --extra mysql --extra postgresql \
    --extra scim --extra web --group test --group check \
    --output-file requirements/test.txt "$@"
part() {
    output=$1
    shift
    compile "$@" --constraints requirements/test.txt --output-file "requirements/$output"
}
part build.txt --group build
part run.txt pyproject.toml
part extras.txt pyproject.toml --extra entra --extra google --extra keyring --extra mysql --extra postgresql \
    --extra scim --extra web
part ldap.txt pyproject.toml --extra ldap "$@"
# What benchmarks compare with is never in the same environment.
compile --group peers --output-file requirements/peers.txt "$@"
