//! The page at `/`.

/// Tells a newcomer where he is, and what to try.
pub(super) const INDEX: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>taphouse</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  code { font-size: .95em; } dt { margin-top: .6rem; } dd { margin-left: 1.5rem; }
</style>
<h1>taphouse</h1>
<p>This page came to you through a TCP/IP stack in a process of its own: raw Ethernet frames from a TAP device,
hand-made ARP, IPv4 and TCP, and this HTTP server on top. The kernel's TCP had no part in it, except at your end.</p>
<h2>What there is</h2>
<dl>
  <dt><a href=\"/hello\"><code>GET /hello</code></a><dd>a greeting
  <dt><a href=\"/bytes/1000\"><code>GET /bytes/{n}</code></a><dd>n bytes; byte i is i mod 251; up to 64 GiB
  <dt><code>POST /echo</code><dd>the same body back, up to 8 MiB
  <dt><code>PUT /sink</code><dd>counts a body of any size; with <code>?sha256=1</code> it hashes it as well
  <dt><code>GET /ws/echo</code><dd>a WebSocket that says everything back
  <dt><a href=\"/healthz\"><code>GET /healthz</code></a><dd>says ok
  <dt><a href=\"/metrics\"><code>GET /metrics</code></a><dd>counters in the text format of Prometheus
</dl>
</html>
";
