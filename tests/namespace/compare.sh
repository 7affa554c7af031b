# outside
# The comparison with the kernel runs: both contestants, both ways, figures that can be read, nothing left behind.
set -eu
. "$(dirname "$0")/guard"
before=$(ls -d "${TMPDIR:-/tmp}"/taphouse-compare.* 2>/dev/null | wc -l)
compare() {
    "$ROOT/scripts/compare-linux" --rounds 2 "$@" 2>"$SCRATCH/progress" || { cat "$SCRATCH/progress"; exit 1; }
}
compare --cells loss=1%,delay=2ms --bytes 300000 --json "$SCRATCH/figures" >"$SCRATCH/table"
[ "$(grep -c '^| loss=1%,delay=2ms | .*| 300,000 |' "$SCRATCH/table")" = 2 ] || { cat "$SCRATCH/table"; exit 1; }
python3 - "$SCRATCH/figures" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
assert [row["way"] for row in rows] == ["get", "put"], rows
for row in rows:
    assert len(row["rounds"]) == 2
    for found in (found for figures in row["rounds"] for found in figures.values()):
        # Eight milliseconds at the least: the question, the answer, and a window that opens.
        assert found["bytes"] == 300000 and not found["cut"] and found["seconds"] > 0.008, found
PY
# At 80 kbit/s nothing of that comes within a second; what has come counts.
compare --cells rate=80kbit --bytes 300000 --ways put --seconds 1 --limit 1 --json "$SCRATCH/figures" >"$SCRATCH/table"
grep -q '^Cut at the limit.*2 of ours.*2 of kernel' "$SCRATCH/table" || { cat "$SCRATCH/table"; exit 1; }
python3 - "$SCRATCH/figures" <<'PY'
import json, sys
for figures in json.load(open(sys.argv[1]))["rows"][0]["rounds"]:
    for name, found in figures.items():
        assert found["cut"] and found["mbit"] < 0.09, (name, found)
PY
# A server that is none counts as nothing, and is less than any ratio that may be asked for.
status=0
TAPHOUSE_BIN=/bin/false "$ROOT/scripts/compare-linux" --cells delay --bytes 1000 --rounds 1 --ways get --least 0.1 \
    >"$SCRATCH/table" 2>"$SCRATCH/progress" || status=$?
[ "$status" = 1 ] && grep -q '^Not managed by taphouse.*round 1' "$SCRATCH/table" || { cat "$SCRATCH/progress"; exit 1; }
status=0
"$ROOT/scripts/compare-linux" --cells nonsense 2>"$SCRATCH/err" || status=$?
[ "$status" = 2 ] && grep -q "there is no 'nonsense'" "$SCRATCH/err" || { echo "status $status"; exit 1; }
[ "$(ip -o link show | wc -l)" = 1 ] || { echo "a device is left"; ip link show; exit 1; }
after=$(ls -d "${TMPDIR:-/tmp}"/taphouse-compare.* 2>/dev/null | wc -l)
[ "$after" -le "$before" ] || { echo "a scratch directory is left"; exit 1; }
