# outside
# SIGTERM: what is in flight is finished, the exit status is 0, and a second signal ends it at once.
set -eu
. "$(dirname "$0")/guard"
ip link set lo up
ip tuntap add dev tap0 mode tap
ip addr add 192.0.2.1/24 dev tap0
ip link set tap0 up
"$TAPHOUSE_BIN" serve 2>"$SCRATCH/log" &
server=$!
for _ in $(seq 100); do curl -sf -m 2 -o /dev/null http://192.0.2.2/healthz && break; sleep 0.05; done
curl -sf --limit-rate 4M http://192.0.2.2/bytes/8000000 -o "$SCRATCH/body" &
client=$!
exec 3<>/dev/tcp/192.0.2.2/80
sleep 0.5
kill -TERM "$server"
wait "$client" || { echo "the transfer was cut short"; exit 1; }
[ "$(stat -c %s "$SCRATCH/body")" = 8000000 ]
status=0
wait "$server" || status=$?
[ "$status" = 0 ] || { echo "exit status $status"; cat "$SCRATCH/log"; exit 1; }
grep -q 'stopped; 0 connections were left' "$SCRATCH/log" || { cat "$SCRATCH/log"; exit 1; }

"$TAPHOUSE_BIN" serve 2>"$SCRATCH/log" &
server=$!
for _ in $(seq 100); do curl -sf -m 2 -o /dev/null http://192.0.2.2/healthz && break; sleep 0.05; done
curl -sf --limit-rate 1000 http://192.0.2.2/bytes/8000000 -o /dev/null &
client=$!
sleep 0.3
kill -INT "$server"
sleep 0.3
kill -0 "$server" || { echo "it did not wait for the transfer"; exit 1; }
kill -INT "$server"
status=0
wait "$server" || status=$?
kill "$client" 2>/dev/null || true
[ "$status" = 0 ] || { echo "exit status $status"; exit 1; }
