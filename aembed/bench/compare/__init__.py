"""What is news: between two versions, two days, over months.

versus rounds                several subjects side by side; whether rounds tell them apart
contest interleave           A/B: two versions in turns
process_side worktree        a version in a process of its own; another revision's files
figures changes reports      what is worth comparing; what differs, and whether that is news; two sets of reports
history                      over months
"""
