# lab: --impair corrupt=2%,duplicate=2%,truncate=1%,delay=5ms,jitter=5ms --seed c0
# Frames without FCS arrive damaged, twice or short: checksums catch it, and nothing wrong gets through.
set -eu
expected=$(python3 -c "
import hashlib
print(hashlib.sha256((bytes(i % 251 for i in range(251)) * 8000)[:2000000]).hexdigest())")
got=$(curl -sf -m 120 "$TAPHOUSE_URL/bytes/2000000" | sha256sum | cut -d' ' -f1)
[ "$got" = "$expected" ] || { echo "download: $got, wanted $expected"; exit 1; }
curl -sf -m 20 "$TAPHOUSE_URL/metrics" >"$SCRATCH/metrics"
grep -qE 'reason="(tcp_bad_checksum|ipv4_bad_checksum)"} [1-9]' "$SCRATCH/metrics" || { cat "$SCRATCH/metrics"; exit 1; }
