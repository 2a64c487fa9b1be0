"""Texts that need no request, or share one.

cache_layer                  what is known is not sent
cache cache_key              a store, and what is on its way to it; what decides a vector
micro_batcher                concurrent small calls in one request
shared_call                  texts on their way for several calls at once; the rule of cancellation
"""
