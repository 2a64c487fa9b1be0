"""The report and its parts: data alone.

result                       what every mode returns
under_load one_at_a_time     its parts
work                         texts, tokens, bytes and cost of a run
versus                       several subjects side by side
objectives                   goals, and whether they were kept
estimates                    numbers that say how sure they are
"""
