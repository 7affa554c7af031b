# A server that nobody asks uses no processor time.
set -eu
exec 3<>/dev/tcp/192.0.2.2/80
printf 'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n' >&3
sleep 3
ticks() { awk '{ print $14 + $15 }' "/proc/$TAPHOUSE_PID/stat"; }
turns() { curl -sf "$TAPHOUSE_URL/metrics" | awk '/^taphouse_turns_total/ { print $2 }'; }
before=$(ticks) first=$(turns)
sleep 4
after=$(ticks) last=$(turns)
[ $((after - before)) -le 2 ] || { echo "$((after - before)) ticks of processor time in 4 idle seconds"; exit 1; }
[ $((last - first)) -le 100 ] || { echo "$((last - first)) turns in 4 idle seconds"; exit 1; }
