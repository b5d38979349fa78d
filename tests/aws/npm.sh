#!/bin/bash
# npm.sh: makes or reuses .venv-npm/node_modules with what package.json pins. Fails when it can't be had.
set -e
here="$(cd "$(dirname "$0")" && pwd)"; dir="$(cd "$here/../.." && pwd)/.venv-npm"
stamp="$(sha256sum <"$here/package.json" | cut -c1-16)"
[ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
rm -rf "$dir"; mkdir -p "$dir"; cp "$here/package.json" "$dir/"
(cd "$dir" && npm install --silent --no-audit --no-fund --loglevel=error)
echo "$stamp" >"$dir/stamp"
