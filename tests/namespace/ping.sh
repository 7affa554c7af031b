# Echo replies of every kind of size, whole and in fragments.
set -eu
for size in 0 1 56 1472 1473 1480 2952 2953 8000 20000 60000 65507; do
    ping -q -c 3 -i 0.05 -W 2 -s "$size" 192.0.2.2 >"$SCRATCH/ping" || { echo "no answer to $size bytes"; cat "$SCRATCH/ping"; exit 1; }
    grep -q ' 3 received' "$SCRATCH/ping"
done
