# outside
# --pcap: the file, what is in it, what cannot be written, and what is left behind.
set -eu
. "$(dirname "$0")/guard"
fail() { echo "$*"; exit 1; }
lab() { "$ROOT/scripts/lab" "$@"; }
file=$SCRATCH/trace.pcapng

# Cut after the headers, and nobody else's to read.
lab --pcap "$file" -- sh -c 'curl -s -o /dev/null -d secret=hunter2 -H "Authorization: Bearer hunter2" "$TAPHOUSE_URL/echo"'
[ "$(stat -c %a "$file")" = 600 ] || fail "others may read it"
! grep -aq hunter2 "$file" || fail "a body is in the capture"
"$TAPHOUSE_BIN" explain "$file" >"$SCRATCH/drawing"
[ "$(grep -c '^Frame' "$SCRATCH/drawing")" -ge 10 ] || fail "too few frames"
grep -q 'not judged' "$SCRATCH/drawing" || fail "a cut frame is judged"
"$TAPHOUSE_BIN" explain --lang ko "$file" | grep -q '목적지 포트' || fail "no Korean"

# Whole on request, over the old file; shown on request alone.
lab --pcap="$file" --pcap-payload -- sh -c 'curl -s -o /dev/null -d secret=hunter2 -H "Authorization: Bearer hunter2" "$TAPHOUSE_URL/echo"'
grep -aq hunter2 "$file" || fail "no body is in the whole capture"
! "$TAPHOUSE_BIN" explain "$file" | grep -q hunter2 || fail "explain shows a body unasked"
[ "$("$TAPHOUSE_BIN" explain --payload "$file" | grep -c hunter2)" -ge 3 ] || fail "explain does not show a body"

# Under load everything is there, or counted as lost.
lab --pcap "$file" -- sh -c 'curl -s -o /dev/null "$TAPHOUSE_URL/bytes/30000000"; curl -s "$TAPHOUSE_URL/metrics" >'"$SCRATCH/metrics"
sent=$(sed -n 's/^taphouse_frames_sent_total //p' "$SCRATCH/metrics")
captured=$("$TAPHOUSE_BIN" explain --json "$file" 2>"$SCRATCH/lost" | grep -c '"direction":"out"')
[ -s "$SCRATCH/lost" ] || [ "$captured" -ge "$sent" ] || fail "$captured of $sent frames, and nothing said"

# To a pipe that ends, to a full disk, to places where nothing can be written.
lab --pcap /dev/full -- sh -c 'sleep 0.2; curl -sf "$TAPHOUSE_URL/hello" && grep -q "the capture ends here" "$TAPHOUSE_LOG"' || fail "a full disk"
for place in /nowhere/x.pcapng /; do
    ! lab --pcap "$place" -- true 2>"$SCRATCH/error" || fail "$place is taken"
    grep -q -- "--pcap: $place" "$SCRATCH/error" || fail "$(cat "$SCRATCH/error")"
done
! lab --pcap-payload -- true 2>/dev/null || fail "--pcap-payload alone is taken"

# The socket of a house is gone with it, and a second house does not take it.
lab --control "$SCRATCH/c.sock" -- sh -c '
    [ -S "$TAPHOUSE_CONTROL" ] && taphouse ctl counters >/dev/null || exit 1
    ! taphouse serve --control "$TAPHOUSE_CONTROL" 2>&1 | grep -q . || exit 0' || fail "--control"
[ ! -e "$SCRATCH/c.sock" ] || fail "the socket is left"
