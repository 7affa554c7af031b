# outside
# The benchmark runs: every contestant starts, every row gives a number, and two results can be compared.
set -eu
. "$(dirname "$0")/guard"
for pair in nginx:nginx-light wrk:wrk ss:iproute2 nsenter:util-linux; do
    PATH="$PATH:/usr/sbin" command -v "${pair%:*}" >/dev/null || { echo "${pair%:*} is missing (Debian: ${pair#*:})"; exit 77; }
done
# A sample of each kind, as short as it can be.
samples=bulk-down-1,bulk-up-1,requests-64,new-connections,echo-1,echo-spin-1,idle
"$ROOT/scripts/bench" --rounds 1 --seconds 0.1 --only "$samples" --out "$SCRATCH/run" \
    >"$SCRATCH/table" 2>"$SCRATCH/progress" || { cat "$SCRATCH/table" "$SCRATCH/progress"; exit 1; }
# Four contestants, a number in each cell: none is a dash.
grep -q '^requests, 64 connections  *1/s  *[0-9][0-9.,]*  *[0-9][0-9.,]*  *[0-9][0-9.,]*  *[0-9][0-9.,]*$' "$SCRATCH/table"
if sed '/^Ratios/,$d' "$SCRATCH/table" | grep -E '  -(  |$)'; then echo "a row without a number"; exit 1; fi
grep -q '</svg>' "$SCRATCH/run/picture.svg"
"$ROOT/scripts/bench" --compare "$SCRATCH/run/results.json" "$SCRATCH/run/results.json" >"$SCRATCH/compared"
grep -q 'agree, quartiles too' "$SCRATCH/compared"
[ "$(ip -o link show | wc -l)" = 1 ] || { echo "a device is left"; ip link show; exit 1; }
