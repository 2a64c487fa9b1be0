"""A load that several processes offer together: one schedule, dealt out, and merged row by row.

messages     messages between the processes: JSON, and rows as raw numbers
job          one process's part of a run
worker       the main program of a process
children     the processes, from start to end
merge        the parts of a run as one
measure      a subject measured in several processes, as a report
"""
