"""Changes between two versions, two days, or over months.

versus rounds                several subjects side by side; the comparison of their rounds
contest interleave           A/B: two versions in turns
process_side worktree        a version in a separate process; another revision's files
metrics changes reports      figures worth comparing; differences and findings; two sets of reports
history                      over months
"""
