"""One operation at a time: its time, memory and cost; and how they grow.

timing memory cost           what is measured
blocks                       long enough to time
fresh child still            in fresh processes; a clock for what is to be equal
scaling                      over batch sizes, over users
"""
