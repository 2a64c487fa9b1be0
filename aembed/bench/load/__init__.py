"""A subject under load: when requests start, how they run, what happened, and whether it may be believed.

arrivals pacer               when requests are meant to start, and what starts them
drivers flight run           how they are started, bounded and settled
record fold summary          what became of each; in bounded memory; in figures
lag heap validity            stalls and their causes; what the runner holds; whether it may be believed
objectives abort             whether what users must get was kept; when that is decided before the end
measure                      from a subject to a report
burst sustained steps        shapes of load, and what they tell
"""
