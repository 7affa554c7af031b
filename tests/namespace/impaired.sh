# lab: --impair loss=5%,delay=20ms,reorder=5% --seed 5eed
# The same through a bad wire: smaller, but right to the last byte.
set -eu
expected=$(python3 -c "
import hashlib
print(hashlib.sha256((bytes(i % 251 for i in range(251)) * 4000)[:1000000]).hexdigest())")
got=$(curl -sf -m 120 "$TAPHOUSE_URL/bytes/1000000" | sha256sum | cut -d' ' -f1)
[ "$got" = "$expected" ] || { echo "download: $got, wanted $expected"; exit 1; }
python3 -c "
import sys
sys.stdout.buffer.write((bytes(i % 251 for i in range(251)) * 4000)[:1000000])" >"$SCRATCH/body"
answer=$(curl -sf -m 120 -T "$SCRATCH/body" "$TAPHOUSE_URL/sink?sha256=1")
case $answer in *"$expected"*) ;; *) echo "upload: $answer, wanted $expected"; exit 1 ;; esac
ping -q -c 40 -i 0.05 -W 2 -s 1000 192.0.2.2 >"$SCRATCH/ping" || true
received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$SCRATCH/ping")
[ "$received" -ge 25 ] && [ "$received" -le 40 ] || { cat "$SCRATCH/ping"; exit 1; }
python3 - <<'P'
import concurrent.futures
import http.client

def fetch(n):
    c = http.client.HTTPConnection("192.0.2.2", timeout=60)
    c.request("GET", f"/bytes/{n}")
    return c.getresponse().read() == (bytes(range(251)) * (n // 251 + 1))[:n]

with concurrent.futures.ThreadPoolExecutor(50) as pool:
    assert all(pool.map(fetch, range(5000, 5050))), "altered"
P
