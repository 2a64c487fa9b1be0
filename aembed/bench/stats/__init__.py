"""Pure statistics.

sample                       estimates and intervals from a sample
shares                       shares of requests: intervals, decisions, what would decide
special                      distribution functions of the tests
fits                         laws that growing load follows
change_points                where a series changed its level
"""
