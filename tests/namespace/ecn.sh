# lab: --impair out.mark=5%,delay=5ms
# A router that marks instead of dropping: the kernel's client asks for ECN and echoes the marks, the house reduces its
# window for them, and nothing is sent again.
set -eu
sysctl -qw net.ipv4.tcp_ecn=1 || exit 77
expected=$(python3 -c "
import hashlib
print(hashlib.sha256((bytes(i % 251 for i in range(251)) * 40000)[:8000000]).hexdigest())")
got=$(curl -sf -m 60 "$TAPHOUSE_URL/bytes/8000000" | sha256sum | cut -d' ' -f1)
[ "$got" = "$expected" ] || { echo "download: $got, wanted $expected"; exit 1; }
metric() { curl -sf "$TAPHOUSE_URL/metrics" | sed -n "s/^taphouse_$1 //p"; }
[ "$(metric tcp_ecn_reductions_total)" -ge 3 ] || { echo "reductions: $(metric tcp_ecn_reductions_total)"; exit 1; }
[ "$(metric tcp_resent_segments_total)" -le 5 ] || { echo "resent: $(metric tcp_resent_segments_total)"; exit 1; }
