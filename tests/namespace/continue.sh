# curl waits a second for 100-continue before it sends a large body; here it does not have to.
set -eu
head -c 2000000 /dev/zero >"$SCRATCH/body"
took=$(curl -s -o "$SCRATCH/answer" -w '%{time_total}' -H 'Expect: 100-continue' -T "$SCRATCH/body" "$TAPHOUSE_URL/sink")
grep -q '"bytes":2000000' "$SCRATCH/answer"
awk "BEGIN { exit !($took < 0.9) }" || { echo "it took $took s"; exit 1; }
