# outside
# A TAP that exists already, behind a bridge and without an address of its own; one that a user owns; root given up;
# an interface that is down at first and between.
set -eu
. "$(dirname "$0")/guard"
up() { for _ in $(seq 100); do curl -sf -m 1 -o /dev/null "$1/healthz" && return; sleep 0.05; done; cat "$SCRATCH/log"; exit 1; }
ip link set lo up
ip link add br0 type bridge
ip addr add 198.51.100.1/24 dev br0
ip tuntap add dev tap7 mode tap
ip link set tap7 master br0
ip link set br0 up
ip link set tap7 up
# Whoever is not root has to reach what is his there.
chmod 755 "$(dirname "$SCRATCH")" "$SCRATCH"
"$TAPHOUSE_BIN" serve --tap tap7 --addr 198.51.100.7/24 --port 8080 --user nobody 2>"$SCRATCH/log" &
server=$!
up http://198.51.100.7:8080
[ "$(curl -sf http://198.51.100.7:8080/hello)" = 'Hello, world!' ]
[ "$(awk '/^Uid/ { print $2 }' "/proc/$server/status")" = "$(id -u nobody)" ] || { echo "still root"; exit 1; }
grep -q '^CapEff:.*0000000000000000' "/proc/$server/status" || { echo "capabilities are left"; exit 1; }
[ "$(stat -c %U:%a "$XDG_STATE_HOME/taphouse/keys.json")" = nobody:600 ] || { echo "the keys are not his"; exit 1; }
ip link set tap7 down
sleep 0.5
before=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
sleep 1
after=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
[ $((after - before)) -le 5 ] || { echo "busy while the interface is down"; exit 1; }
ip link set tap7 up
up http://198.51.100.7:8080
kill "$server"
wait "$server"

ip tuntap add dev tap8 mode tap user nobody
ip addr add 192.0.2.1/24 dev tap8
ip link set tap8 up
cp "$TAPHOUSE_BIN" "$SCRATCH/taphouse"
chmod 755 "$SCRATCH/taphouse"
# /dev/net/tun as most systems have it, open to all, in a mount namespace of its own.
open_tun() {
    exec unshare --mount sh -c 'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec "$@"' sh "$@"
}
open_tun setpriv --reuid nobody --regid nogroup --clear-groups "$SCRATCH/taphouse" serve --tap tap8 2>"$SCRATCH/log" &
server=$!
up http://192.0.2.2
kill "$server"
wait "$server"

# A lab without root.
cp "$ROOT/scripts/lab" "$SCRATCH/lab"
chmod 755 "$SCRATCH/lab"
export TAPHOUSE_BIN=$SCRATCH/taphouse TMPDIR=/tmp
unset TAPHOUSE_LOG
answer=$(cd / && open_tun setpriv --reuid nobody --regid nogroup --clear-groups "$SCRATCH/lab" -- curl -sf http://192.0.2.2/hello)
[ "$answer" = 'Hello, world!' ] || { echo "a lab without root said: $answer"; exit 1; }
