# Large bodies both ways, hashed: 128 MiB, and 1 GiB in the full run.
set -eu
bytes=$((${FULL:-0} ? 1 << 30 : 128 << 20))
expected=$(python3 -c "
import hashlib, sys
n, h, p = $bytes, hashlib.sha256(), bytes(i % 251 for i in range(251 * 4096))
while n: c = p[:n]; h.update(c); n -= len(c)
print(h.hexdigest())")
got=$(curl -sf "$TAPHOUSE_URL/bytes/$bytes" | sha256sum | cut -d' ' -f1)
[ "$got" = "$expected" ] || { echo "download: $got, wanted $expected"; exit 1; }
answer=$(python3 -c "
import sys
n, p = $bytes, bytes(i % 251 for i in range(251 * 4096))
while n: c = p[:n]; sys.stdout.buffer.write(c); n -= len(c)" |
    curl -sf -X PUT -H 'Transfer-Encoding: chunked' -T - "$TAPHOUSE_URL/sink?sha256=1")
case $answer in *"\"bytes\":$bytes"*"$expected"*) ;; *) echo "upload: $answer, wanted $bytes and $expected"; exit 1 ;; esac
rss=$(awk '/VmRSS/ { print $2 }' "/proc/$TAPHOUSE_PID/status")
[ "$rss" -lt 20000 ] || { echo "the server holds $rss KiB after bodies that it should not hold"; exit 1; }
