"""The ground under the providers: HTTP out, vectors in.

transport       the seam between providers and HTTP: the protocol, its answer, the receiver of a long body
http            one POST over a pooled connection
route           a URL -> the server, the proxy before it, and the head of a request
proxies         proxies and users that the environment names
pool            the connections of one event loop, free and busy
dialer, tunnel  new connections: addresses, TLS, CONNECT
connection      one HTTP/1.1 connection: a request out, its answer in
connection_errors  what can go wrong with one, each with its cause and a remedy
headers         a reply's headers, in any case
body            a reply's bytes, inflated, never more than the cap
echo            which model an answer is of
redact          a server's words without any text or key in them
refusal         status and body of a refusal -> the error tree, one table per dialect
quota_headers   Retry-After and rate-limit headers -> seconds and counts
endpoint        base_url -> the URL that is asked
decode, cut     body -> rows of float32
arriving        the same for a long body, while it comes in
access          keys and headers, checked and never shown
credentials     the headers of a request, with the key that holds now
provider        what all HTTP providers share
catalogue       models' dimensions, caps and prices
prompts         words before texts, for servers of one's own
public          sockets that lead to the public internet only
"""
