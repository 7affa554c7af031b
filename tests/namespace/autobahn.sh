# lab:
# fetches
# The WebSocket testsuite of Autobahn, its quick part.
set -eu
[ "${1:-}" != --fetch ] || exec "$ROOT/scripts/autobahn" --fetch
status=0
"$ROOT/scripts/autobahn" --quick || status=$?
case $status in
    69) exit 77 ;;
    # No Python 2.7: Debian has none, so nothing is wrong with a machine without.
    77) exit 78 ;;
    *) exit "$status" ;;
esac
