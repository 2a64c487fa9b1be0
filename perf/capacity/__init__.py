"""Are servers kept busy that have no quota, only so much capacity? Simulated; see ``__main__`` for the command.

simulation  a server with workers and a queue, and a client with adaptive concurrency
worlds      the servers and their users
resets      a server that breaks connections beyond a number it keeps to itself, or fails for other reasons
"""
