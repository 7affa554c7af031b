# outside
# The example of the library, a page with a route and a chat, as its reader would run it.
set -eu
. "$(dirname "$0")/guard"
fail() { echo "$*"; cat "$SCRATCH/log"; exit 1; }
ip link set lo up
ip tuntap add dev tap0 mode tap
ip addr add 192.0.2.1/24 dev tap0
ip link set tap0 up
"$TAPHOUSE_EXAMPLE" >"$SCRATCH/log" 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf -m 2 -o /dev/null http://192.0.2.2/ && break; sleep 0.05; done

# answer STATUS TYPE BODY CURL-ARGUMENT...: what comes is what was said.
answer() {
    status=$1 type=$2 body=$3
    shift 3
    said=$(curl -s -m 5 -o "$SCRATCH/body" -w '%{http_code} %{content_type}' "$@") || fail "$*: no answer"
    [ "$said" = "$status $type" ] || fail "$*: $said"
    grep -qF -e "$body" "$SCRATCH/body" || fail "$*: $(cat "$SCRATCH/body")"
}
problem=application/problem+json
answer 200 'text/html; charset=utf-8' '<h1>Hello from a TAP</h1>' http://192.0.2.2/
answer 200 application/json '{"id":7}' http://192.0.2.2/users/007
answer 422 $problem '"status":422' http://192.0.2.2/users/x
answer 404 $problem '"status":404' http://192.0.2.2/nothing
answer 405 $problem '"status":405' -X DELETE http://192.0.2.2/users/7
answer 426 $problem '"status":426' http://192.0.2.2/chat
[ "$(cat "$SCRATCH/body")" != '' ] && grep -q '"title"' "$SCRATCH/body" || fail "a problem without a title"

# Two talk, and are told when the server is stopped, by this script's SIGTERM.
status=0
timeout 30 python3 "$ROOT/tests/namespace/tools/chat.py" "$server" || status=$?
[ "$status" = 0 ] || fail "the chat failed with $status"
wait "$server" || status=$?
[ "$status" = 0 ] || fail "exit status $status"
