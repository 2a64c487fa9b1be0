"""Pure statistics.

sample                       what a sample says about where it came from
fits                         laws that growing load follows
change_points                where a series changed its level
"""
