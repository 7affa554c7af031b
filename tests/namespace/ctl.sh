# lab: --congestion reno
# The control socket of a running house: what it tells, what it changes, who may ask.
set -eu
ctl() { "$TAPHOUSE_BIN" ctl "$@"; }
fail() { echo "$*"; exit 1; }
field() { python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
print(eval(sys.argv[1], {"lines": lines, "first": lines[0], "last": lines[-1]}))' "$1"; }

# --- what it tells
curl -s --limit-rate 50k -o /dev/null "$TAPHOUSE_URL/bytes/40000000" &
reader=$!
# Until some of it is there: on a busy machine that takes a while.
for _ in $(seq 100); do
    moved=$(ctl connections --json | field 'sum(line["bytes_sent"] for line in lines[1:])')
    [ "$moved" -le 10000 ] || break
    sleep 0.1
done
ctl connections | grep -q 'ESTABLISHED' || fail "no connection is listed"
id=$(ctl connections --json | field 'last["id"]')
ctl connection "$id" >"$SCRATCH/one"
grep -q '^state  *ESTABLISHED' "$SCRATCH/one" && grep -q '^rto ' "$SCRATCH/one" || fail "the connection says too little"
[ "$(ctl connection "$id" --json | field 'last["congestion"]["control"]')" = reno ] || fail "congestion control"
[ "$(ctl connection "$id" --json | field 'last["bytes_sent"] > 10000 and last["rtt_us"] >= 0')" = True ] || fail "numbers: $(ctl connection "$id" --json)"
ctl arp | grep -q '^192.0.2.1 .*reachable' || fail "the neighbour is missing"
ctl counters --all | grep -q 'tcp_backlog_full' || fail "not every kind of drop is named"
kill "$reader"; wait "$reader" || true

# --- what it changes
ctl impair loss=100% | grep -q 'loss=100%' || fail "the link did not change"
! curl -s -m 1 -o /dev/null "$TAPHOUSE_URL/hello" || fail "a dead link answers"
ctl impair none >/dev/null
curl -s -m 5 -o /dev/null "$TAPHOUSE_URL/hello" || fail "a mended link does not answer"
before=$(date +%s%N)
ctl impair delay=200ms >/dev/null
curl -s -m 5 -o /dev/null "$TAPHOUSE_URL/hello"
ctl impair none >/dev/null
[ $(($(date +%s%N) - before)) -gt 400000000 ] || fail "there was no delay"

# --- frames as they pass, and no body unasked
ctl explain -n 6 >"$SCRATCH/frames" &
watcher=$!
sleep 0.3
curl -s -o /dev/null -d 'secret=hunter2' "$TAPHOUSE_URL/echo"
wait "$watcher"
grep -q 'TCP' "$SCRATCH/frames" && ! grep -q hunter2 "$SCRATCH/frames" || fail "frames, without bodies"
ctl explain -n 12 --payload --json >"$SCRATCH/frames" &
watcher=$!
sleep 0.3
curl -s -o /dev/null -d 'secret=hunter2' "$TAPHOUSE_URL/echo"
curl -s -o /dev/null "$TAPHOUSE_URL/hello"
wait "$watcher"
grep -q hunter2 "$SCRATCH/frames" || fail "a body that was asked for"

# --- mistakes
for wrong in 'connection 9' 'connection 999.1' 'impair loss=many'; do
    # shellcheck disable=SC2086 # the command is words
    ! ctl $wrong 2>"$SCRATCH/error" || fail "$wrong is taken"
    [ "$(wc -l <"$SCRATCH/error")" = 1 ] || fail "$wrong: $(cat "$SCRATCH/error")"
done
! ctl --control "$SCRATCH/none.sock" connections 2>"$SCRATCH/error" || fail "nobody answers there"
grep -q 'no house runs there' "$SCRATCH/error" || fail "$(cat "$SCRATCH/error")"
! "$TAPHOUSE_BIN" ctl --control "$TAPHOUSE_LOG" connections 2>/dev/null || fail "a file is no socket"

# --- who may ask: the owner alone, and many at once
[ "$(stat -c %a "$TAPHOUSE_CONTROL")" = 600 ] || fail "the socket is open to others"
chmod 755 "$(dirname "$TAPHOUSE_CONTROL")"
knock() { status=0; "$@" curl -s -m 2 --unix-socket "$TAPHOUSE_CONTROL" http://house/ >/dev/null || status=$?; echo $status; }
[ "$(knock setpriv --reuid 65534 --clear-groups)" = 7 ] || fail "a stranger may ask"
[ "$(knock env)" != 7 ] || fail "the owner may not ask"
python3 - "$TAPHOUSE_CONTROL" <<'PY' || fail "silent callers keep others out"
import json, socket, sys
silent = []
for _ in range(30):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    silent.append(s)
for text in (b'{"command":"arp"}\n', b"\xff\xfe\n", b"{" * 5000):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    s.send(text)
    first = json.loads(s.makefile().readline())
    assert "ok" in first or "error" in first
# One who never reads: a watcher, while frames pass.
deaf = socket.socket(socket.AF_UNIX)
deaf.connect(sys.argv[1])
deaf.send(b'{"command":"watch","payload":true}\n')
deaf.recv(10)
import subprocess
subprocess.run(["curl", "-s", "-o", "/dev/null", "http://192.0.2.2/bytes/20000000"], check=True, timeout=60)
PY
curl -sf -m 5 -o /dev/null "$TAPHOUSE_URL/hello" || fail "the house is gone"
