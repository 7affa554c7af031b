# outside
# The wire between two TAPs of two namespaces, with the kernel at both ends: delay, loss, a rate, bytes unaltered, and
# how it leaves.
set -eu
. "$(dirname "$0")/guard"
[ -x "${TAPHOUSE_WIRE:-}" ] || { echo "TAPHOUSE_WIRE names no program"; exit 1; }
fail() { echo "$*"; cat "$SCRATCH/log" "$SCRATCH/stats"; exit 1; }
unshare --net sleep 200 & left=$!
unshare --net sleep 200 & right=$!
for pid in $left $right; do
    for _ in $(seq 100); do
        [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
        sleep 0.02
    done
done
# The kernel says nothing of its own accord then.
for pid in $left $right; do
    nsenter --net=/proc/$pid/ns/net -- sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || true
done
on_left() { nsenter --net=/proc/$left/ns/net -- "$@"; }
on_right() { nsenter --net=/proc/$right/ns/net -- "$@"; }
A=/proc/$left/ns/net:tapA
B=/proc/$right/ns/net:tapB

# join OPTION...: starts the wire and gives both ends their addresses, and each other's hardware address, so that no
# question for it can be lost.
join() {
    : >"$SCRATCH/log"
    "$TAPHOUSE_WIRE" --make --a "$A" --b "$B" "$@" >"$SCRATCH/stats" 2>"$SCRATCH/log" &
    wire=$!
    for _ in $(seq 100); do grep -q 'are joined' "$SCRATCH/log" && break; sleep 0.02; done
    on_left ip addr add 192.0.2.1/24 dev tapA || fail "no tapA"
    on_right ip addr add 192.0.2.2/24 dev tapB || fail "no tapB"
    on_left ip link set tapA address 02:00:00:00:00:01 up
    on_right ip link set tapB address 02:00:00:00:00:02 up
    on_left ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev tapA
    on_right ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev tapB
}
# leave SIGNAL: it ends with 0, and what it made is gone.
leave() {
    kill "-$1" "$wire"
    status=0
    wait "$wire" || status=$?
    [ "$status" = 0 ] || fail "exit status $status"
    ! on_left ip link show tapA 2>/dev/null || fail "tapA is left"
}
# total NAME: a number of the last line, both ways together.
total() {
    tail -n 1 "$SCRATCH/stats" | tr ' ' '\n' | awk -F= -v name="$1" '$1 == name { n += $2 } END { print n + 0 }'
}

join --impair delay=20ms --stats 1
on_left ping -q -c 60 -i 0.02 -W 2 192.0.2.2 >"$SCRATCH/ping" || fail "no echo"
# The median of single times: a machine that is busy for a moment does not count.
on_left ping -c 61 -i 0.02 -W 2 192.0.2.2 | sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n >"$SCRATCH/times"
median=$(sed -n 31p "$SCRATCH/times")
awk -v t="$median" 'BEGIN { exit !(t >= 40 && t < 41) }' || fail "twice 20 ms took $median ms"
[ "$(head -n 1 "$SCRATCH/times" | cut -d. -f1)" -ge 40 ] || fail "too early: $(head -n 1 "$SCRATCH/times") ms"
[ "$(wc -l <"$SCRATCH/stats")" -ge 2 ] || fail "no line while it ran"
leave TERM
[ "$(total lost)" = 0 ] && [ "$(total given)" -ge 242 ] || fail "frames are missing"

# A third of the questions and a third of the answers are lost: four ninths come back.
join --impair loss=33.3333% --seed 5eed
on_left ping -q -c 400 -i 0.004 -W 1 192.0.2.2 >"$SCRATCH/ping" || true
received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$SCRATCH/ping")
[ "$received" -ge 130 ] && [ "$received" -le 225 ] || fail "of 400 echoes $received came"
leave INT
[ "$(total lost)" -ge 100 ] && [ "$(total delivered)" -ge 1 ] || fail "the line tells of no loss"

# One way alone: `out.` is away from A.
join --impair out.loss=100%
! on_left ping -q -c 3 -i 0.01 -W 0.2 192.0.2.2 >/dev/null || fail "what should be lost came"
leave TERM
grep -q 'a-to-b: given=[0-9]* delivered=0 lost=[0-9]* ' "$SCRATCH/stats" || fail "the loss is not where it should be"
! grep 'b-to-a.* lost=' "$SCRATCH/stats" || fail "loss the other way"

cat >"$SCRATCH/move.py" <<'PY'
"""Kernel TCP from one end to the other: `take` prints the hash of what came, `give` that of what it sent."""
import hashlib, socket, sys
BYTES, PIECE = int(sys.argv[2]), bytes(i % 251 for i in range(251 * 257))
digest = hashlib.sha256()
if sys.argv[1] == "take":
    with socket.create_server(("192.0.2.2", 9)) as listener:
        listener.settimeout(30)
        peer, _ = listener.accept()
        peer.settimeout(30)
        while piece := peer.recv(1 << 18):
            digest.update(piece)
else:
    with socket.create_connection(("192.0.2.2", 9), 30) as peer:
        left = BYTES
        while left:
            piece = PIECE[:left]
            peer.sendall(piece)
            digest.update(piece)
            left -= len(piece)
print(digest.hexdigest())
PY
# move BYTES: the hash is the same at both ends.
move() {
    on_right timeout 60 python3 "$SCRATCH/move.py" take "$1" >"$SCRATCH/taken" & taker=$!
    for _ in $(seq 100); do on_right ss -Hltn 'sport = :9' | grep -q . && break; sleep 0.05; done
    given=$(on_left timeout 60 python3 "$SCRATCH/move.py" give "$1") || fail "nothing was taken"
    wait "$taker" || fail "nothing came"
    [ "$(cat "$SCRATCH/taken")" = "$given" ] || fail "altered: $(cat "$SCRATCH/taken"), not $given"
}
join --impair loss=1%,delay=2ms,reorder=2%,duplicate=1%,corrupt=0.1% --seed 5eed
move 8000000
leave TERM
[ "$(total reordered)" -gt 0 ] && [ "$(total duplicated)" -gt 0 ] && [ "$(total corrupted)" -gt 0 ] || fail "no mishap"
join
move $((64 << 20))
leave TERM
[ "$(total refused)" = 0 ] || fail "the wire refused frames that nobody asked it to lose"

# Congestion is marked where both ends speak ECN.
for pid in $left $right; do nsenter --net=/proc/$pid/ns/net -- sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn'; done
join --impair rate=50mbit,queue=256kb,mark=32kb,delay=5ms
move 8000000
leave TERM
[ "$(total marked)" -gt 0 ] || fail "nothing was marked"

# A device that is down loses frames and costs nothing; one that goes away ends the wire.
on_left ip tuntap add dev tapA mode tap
on_right ip tuntap add dev tapB mode tap
"$TAPHOUSE_WIRE" --a "$A" --b "$B" --impair delay=1ms >"$SCRATCH/stats" 2>"$SCRATCH/log" &
wire=$!
sleep 0.5
before=$(awk '{ print $14 + $15 }' "/proc/$wire/stat")
sleep 1
after=$(awk '{ print $14 + $15 }' "/proc/$wire/stat")
[ $((after - before)) -le 5 ] || fail "busy while its devices are down"
on_left ip link del tapA
status=0
wait "$wire" || status=$?
[ "$status" = 1 ] && grep -q 'tapA is gone' "$SCRATCH/log" || fail "status $status after its device went"
on_right ip link show tapB >/dev/null || fail "a device that it did not make is gone"

# wrong STATUS WORDS OPTION...: it says what is wrong.
wrong() {
    expected=$1 words=$2 status=0
    shift 2
    timeout 5 "$TAPHOUSE_WIRE" "$@" >"$SCRATCH/stats" 2>"$SCRATCH/log" || status=$?
    [ "$status" = "$expected" ] && grep -qF -e "$words" "$SCRATCH/log" || fail "$*: status $status"
}
wrong 1 'there is no interface tap77 here' --a tap77 --b tap78
wrong 1 'there is no network namespace /run/netns/nowhere' --a nowhere:tap0 --b tap78
wrong 1 'there is an interface tapB already' --make --a "$B" --b tap78
wrong 2 '--b' --a tap77
wrong 2 'is no share' --a tap77 --b tap78 --impair loss=500%
wrong 2 'hexadecimal' --a tap77 --b tap78 --seed xyz
kill "$left" "$right"
