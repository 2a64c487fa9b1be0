"""Hours of use in minutes, under faults: memory, file descriptors and tasks must stay as they are.

    python -m perf.soak --minutes 10

load      callers who embed, stream, lose patience, leave and come back, on servers that fail at random
slopes    how fast a series rises, and how sure that is
"""
