"""Does the gate run at exactly the quota? Strict servers on virtual time, aembed and two rivals. See README.md.

server     a provider that keeps its quota to the letter
scenarios  servers and their load; those tuned on, and those held out
rivals     aiolimiter for bulk with queries going round it; a semaphore that obeys Retry-After
bound      the least time a scenario can take
run        one run of one scenario with one client
report     the table, and the results as JSON
worlds     servers drawn at random
admission  cost of an admission and of a waiter, compared with a semaphore and aiolimiter
"""
