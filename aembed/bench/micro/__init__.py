"""One operation at a time: its time, memory and cost; and how they grow.

timing memory cost           figures of one operation
blocks                       long enough to time
process child frozen_clock   fresh processes; a clock for exact counts
scaling                      over batch sizes, over users
"""
