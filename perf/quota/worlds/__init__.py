"""Servers drawn at random, and the situations that once went wrong, each as a world on virtual time. See ../README.md.

world       one server, and the load put on it
draw        a seed -> a world
draw_plain  the same, by a second generator that shares nothing with the first
sizes       rules, network, queries and batches that match each other
events      outages and changes; what the user and the server say of the limits
unlimited   servers without a quota
dice        random choices
demand      the texts and the times of the queries of a world
clock       an event loop whose clock jumps
meters      the quota rules a server enforces; written apart from those of aembed
telling     rate limit headers and Retry-After, right and wrong
workers     a server without a quota, but with a number of workers
server      the provider
bound       the least time a world can take
clients     aembed, and two rivals that know the limits per minute
run         one world with one client, under a watchdog
outcome     the result of one run
store       outcomes of rivals on disk
judge       the rule that a world passes or fails by
report      distributions, bars, and the worst worlds
session     many worlds in a pool of processes, or one
situations  situations that went wrong, as worlds with a target
scripts     those that are not jobs
"""
