"""Does the gate run at exactly the quota? Strict servers on virtual time, aembed and two rivals. See README.md.

server     a provider that keeps its quota to the letter
scenarios  what the servers are like and what is asked of them; those tuned on, and those held out
rivals     aiolimiter for bulk with queries going round it; a semaphore that obeys Retry-After
bound      the least time a scenario can take
run        one run of one scenario with one client
report     the table, and the results as JSON
worlds     servers drawn at random
admission  what an admission and a waiter cost, beside a semaphore and aiolimiter
"""
