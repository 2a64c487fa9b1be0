"""A subject under load: when requests start, how they run, their outcome, and whether the figures can be trusted.

arrivals pacer               when requests are meant to start, and what starts them
drivers in_flight run        start, time limit and end of each request
record summary               the rows and their figures
binned_times windowed_histogram      counts in bounded memory, and their figures
lag heap validity            stalls and their causes; the runner's own objects; whether figures can be trusted
objectives abort             decisions on objectives, at the end or before it
share opened                 a part of a load; a subject set up for it
processes/                   a load that several processes offer together
measure reporting            from a subject to a run, from a run to a report
recorded                     reports of runs that were read back from files
burst sustained steps        shapes of load and their figures
"""
