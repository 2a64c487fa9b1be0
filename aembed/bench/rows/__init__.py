"""Every request of a run as a row: kept after the run, written to files, read back.

columns      the rows of a run; outcomes
lengths      texts and characters of each request
table        rows as CSV and Parquet
hdr hlog     HdrHistogram: one histogram as bytes; logs with one histogram per second
openmetrics  reports as OpenMetrics text
output       the files that a run writes when it is over
"""
