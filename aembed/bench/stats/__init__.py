"""Pure statistics.

sample                       what a sample says about where it came from
shares                       shares of requests: intervals, decisions, what would decide
special                      distribution functions of the tests
fits                         laws that growing load follows
change_points                where a series changed its level
"""
