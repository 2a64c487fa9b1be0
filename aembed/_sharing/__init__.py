"""Texts that need no request, or share one.

cache_layer                  cached texts are not sent
cache entries cache_key      a store, and everything on its way to it; everything that decides a vector
micro_batcher                concurrent small calls in one request
shared_call                  texts in flight for several calls at once; the rule of cancellation
participant seats            one call that waits; the calls that wait for each text
token_shares                 the cost of one request, shared out
"""
