"""HTTP for the providers: requests out, vectors in. ``aembed.http`` publishes its upper half.

transport       the seam between providers and HTTP: the protocol, its answer, the receiver of a long body
http            one POST over a pooled connection
route           a URL -> the server, the proxy before it, and the head of a request
proxies         proxies and users that the environment names
pool            the connections of one event loop, free and busy
dialer, tunnel  new connections: addresses, TLS, CONNECT
connection      one HTTP/1.1 connection: a request out, its answer in
answer          the answer that arrives: parsed, and checked beyond the parser
connection_errors  what can go wrong with one, each with its cause and a remedy
headers         a reply's headers, in any case
body            a reply's bytes, decompressed, never more than the cap
public          SSRF protection: connections to public addresses only

api             the description of one JSON API
endpoint        an API and the user's settings -> URL, headers, model
provider        one request for each batch, its reply decoded, its errors raised
features        optional fields, path and encoding that an endpoint supports
dimension       the chosen dimension, where a server does not offer the choice
model_echo      the model that a reply names
auth            keys and headers, checked and never shown
credentials     request headers with the current key
catalogue       facts of hosted models: dimensions, caps, prices
matryoshka      open models whose vectors may be shortened
prompts         prompts before a text, for servers that do not add them

reply_format    the places of vectors and usage in a reply
openai_format   replies and errors of OpenAI's API and its copies
decoding        on the event loop, in a thread, or while the reply arrives
decode          body -> rows of float32
one_vector      base64 or numbers -> one row
split_vectors   splits the vectors off a reply's JSON
streaming       decodes a long body while it arrives

answer_errors   answers without vectors -> errors of one provider
api_errors      error replies -> the error tree, one table for each dialect
error_body      the parsed body of an error reply
quota_headers   Retry-After and rate-limit headers -> seconds and counts
redact          a server's words without any text or key
"""
