#!/bin/bash
# venv.sh NAME [PYTHON]: makes or reuses .venv-NAME with the pinned requirements-NAME.txt. Fails when they can't be had.
set -e
here="$(cd "$(dirname "$0")" && pwd)"; root="$(cd "$here/../.." && pwd)"
name=$1; python=${2:-python3}; dir="$root/.venv-$name"; files=("$here/requirements-$name.txt"); args=()
if [ -f "$here/constraints-$name.txt" ]; then files+=("$here/constraints-$name.txt"); args=(-c "$here/constraints-$name.txt"); fi
stamp="$(cat "${files[@]}" | sha256sum | cut -c1-16)"
[ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
rm -rf "$dir"; "$python" -m venv "$dir"
"$dir/bin/pip" install -q --disable-pip-version-check -r "${files[0]}" "${args[@]}"
echo "$stamp" >"$dir/stamp"
