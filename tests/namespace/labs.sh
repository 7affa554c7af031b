# outside
# Labs side by side, the exit status of the command, and nothing left behind.
set -eu
. "$(dirname "$0")/guard"
before=$(ls -d "${TMPDIR:-/tmp}"/taphouse-lab.* 2>/dev/null | wc -l)
pids=
for _ in 1 2 3; do
    "$ROOT/scripts/lab" -- sh -c 'for i in 1 2 3 4 5; do curl -sf "$TAPHOUSE_URL/hello" >/dev/null || exit 9; sleep 0.1; done; test -f "$TAPHOUSE_LOG"' &
    pids="$pids $!"
done
for pid in $pids; do wait "$pid" || { echo "a lab failed with $?"; exit 1; }; done
status=0
"$ROOT/scripts/lab" -- sh -c 'exit 42' || status=$?
[ "$status" = 42 ] || { echo "status $status"; exit 1; }
status=0
"$ROOT/scripts/lab" --addr nonsense -- true 2>"$SCRATCH/err" || status=$?
[ "$status" != 0 ] && grep -q 'the server did not come up' "$SCRATCH/err"
after=$(ls -d "${TMPDIR:-/tmp}"/taphouse-lab.* 2>/dev/null | wc -l)
[ "$after" -le "$before" ] || { echo "scratch directories are left"; exit 1; }
