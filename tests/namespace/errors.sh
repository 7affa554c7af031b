# outside
# What goes wrong at the start is one clear line that says what to do.
set -eu
. "$(dirname "$0")/guard"
fails() { # status, words, command...
    wanted=$1 words=$2
    shift 2
    status=0
    "$@" >"$SCRATCH/out" 2>&1 || status=$?
    [ "$status" = "$wanted" ] || { echo "status $status instead of $wanted: $*"; cat "$SCRATCH/out"; exit 1; }
    grep -q "$words" "$SCRATCH/out" || { echo "no word of '$words': $*"; cat "$SCRATCH/out"; exit 1; }
    if [ "$wanted" = 1 ]; then
        [ "$(grep -c . "$SCRATCH/out")" -le 2 ] || { echo "more than one line: $*"; cat "$SCRATCH/out"; exit 1; }
    fi
}
ip link set lo up
fails 1 'no interface tap0 here; to make it: ip tuntap add' "$TAPHOUSE_BIN" serve
fails 1 '1 to 15 characters' "$TAPHOUSE_BIN" serve --tap 'a b'
fails 1 '1 to 15 characters' "$TAPHOUSE_BIN" serve --tap ''
fails 2 'write 192.0.2.2/24' "$TAPHOUSE_BIN" serve --addr 192.0.2.2
fails 2 'broadcast' "$TAPHOUSE_BIN" serve --addr 192.0.2.255/24
fails 2 'prefix length' "$TAPHOUSE_BIN" serve --addr 192.0.2.2/64
fails 2 'no impairment' "$TAPHOUSE_BIN" serve --impair speed=3
fails 2 'no share' "$TAPHOUSE_BIN" serve --impair loss=5
fails 1 'is not another host' "$TAPHOUSE_BIN" serve --gateway 10.0.0.1
fails 1 'first byte must be even' "$TAPHOUSE_BIN" serve --mac 01:02:03:04:05:06
fails 1 'no MAC address' "$TAPHOUSE_BIN" serve --mac 1:2:3
fails 2 'hexadecimal' "$TAPHOUSE_BIN" serve --seed xyz
fails 1 'there is no user' "$TAPHOUSE_BIN" serve --user no-such-user
fails 1 'given up' "$TAPHOUSE_BIN" serve --user root
fails 2 'Usage' "$TAPHOUSE_BIN" sevre
ip tuntap add dev tap0 mode tap
ip link set tap0 up
ip addr add 192.0.2.1/24 dev tap0
fails 1 "no right to open tap0; run as root" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$TAPHOUSE_BIN" serve --data none
fails 1 "data: it cannot be made: .* choose a directory" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$TAPHOUSE_BIN" serve --data /data
"$TAPHOUSE_BIN" serve 2>"$SCRATCH/log" &
server=$!
for _ in $(seq 100); do curl -sf -m 2 -o /dev/null http://192.0.2.2/healthz && break; sleep 0.05; done
fails 1 'in use by another process' "$TAPHOUSE_BIN" serve --data none
kill "$server"
wait "$server"
ip tuntap add dev tun0 mode tun
fails 1 'a TUN, not a TAP\|no TAP with a single queue' "$TAPHOUSE_BIN" serve --tap tun0
ip tuntap add dev tap1 mode tap multi_queue
fails 1 'multi_queue\|no TAP with a single queue' "$TAPHOUSE_BIN" serve --tap tap1
# Another host has the address: here the kernel's own side.
ip addr add 192.0.2.2/24 dev tap0
fails 1 'the address is taken' "$TAPHOUSE_BIN" serve
ip addr del 192.0.2.2/24 dev tap0
# The device goes away under the server.
"$TAPHOUSE_BIN" serve 2>"$SCRATCH/log" &
server=$!
for _ in $(seq 100); do curl -sf -m 2 -o /dev/null http://192.0.2.2/healthz && break; sleep 0.05; done
ip link del tap0
status=0
wait "$server" || status=$?
[ "$status" = 1 ] && grep -q 'the interface is gone' "$SCRATCH/log" || { cat "$SCRATCH/log"; exit 1; }
# No /dev/net/tun: hidden in a mount namespace of its own.
unshare --mount sh -c "mount -t tmpfs none /dev/net && $(printf %q "$TAPHOUSE_BIN") serve" >"$SCRATCH/out" 2>&1 && exit 1
grep -q 'modprobe tun' "$SCRATCH/out" || { cat "$SCRATCH/out"; exit 1; }
fails 2 'up to 24h' "$TAPHOUSE_BIN" serve --token-life 2d
fails 2 'write 75s' "$TAPHOUSE_BIN" serve --session-life forever
fails 1 'password-blocklist: /nowhere' "$TAPHOUSE_BIN" serve --password-blocklist /nowhere
fails 1 'no password on standard input' "$TAPHOUSE_BIN" user add ada@example.com </dev/null
fails 2 'none of member, moderator and admin' "$TAPHOUSE_BIN" user add ada@example.com --role king
mkdir -m 777 "$SCRATCH/open"
fails 1 'others can write there' "$TAPHOUSE_BIN" serve --data "$SCRATCH/open"
mkdir -m 700 "$SCRATCH/his" && chown nobody "$SCRATCH/his"
fails 1 'belongs to another user' "$TAPHOUSE_BIN" serve --data "$SCRATCH/his"
