"""Every request of a run as a row.

columns      the rows of a run; outcomes
"""
