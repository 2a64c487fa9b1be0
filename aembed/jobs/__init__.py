"""Bulk jobs: a file of any size in, its vectors out, and nothing lost on the way.

    report = await jobs.run("papers.jsonl", "papers.parquet", model="openai:text-embedding-3-small")

Modules:
    job            the whole of a job           work       what of it stands on the disk
    options reading columns template    how the input is read
    inputs spool streams foreign    names -> files; pipes; decompressed, in UTF-8; other kinds of file
    source         the rows of all files        place      outputs, and the directory a job works in
    readers rows   formats -> rows in blocks    writers    rows and vectors -> formats
    json_values arrow_values    values beyond JSON and beyond Python
    pieces vocabulary    long texts as several rows; the share of tokens a model does not know
    joining        the outputs of shards -> one output
    survey         the first reading            duplicates kinds    its findings
    chunks         rows -> requests             embedding  the second reading: chunks -> vectors
    ledger         progress: journal, vectors, ranges         budget    cost limit
    directory placing    OUTPUT.job/ without links; finished files go to their places
    record keys    how an output was made; a digest of each text    quantized    smaller numbers
    existing reuse    outputs that are there: complete, or good for their vectors
    keeping        rows of an output that the input no longer has
    like retry wanted    their model again; only rejected rows; options of a call
    assembly       the third reading: rows and vectors -> output and rejects
    models         the embedder, and the settings that decide its vectors
    monitor progress    progress reports          estimate   estimates
    arrow steps errors  pyarrow, if it is there; threads and tasks; what can go wrong
"""

from aembed.jobs.errors import JobBudgetError, JobChangedError, JobError, JobInputError, JobOutputError, JobStoppedError
from aembed.jobs.estimate import JobPlan, plan
from aembed.jobs.inputs import Input, Inputs, OpenInput
from aembed.jobs.job import run
from aembed.jobs.joining import join
from aembed.jobs.like import open_like
from aembed.jobs.options import InputOptions, JobOptions
from aembed.jobs.progress import JobProgress, JobReport
from aembed.jobs.record import Dtype, OutputRecord, read_record
from aembed.jobs.retry import retry_rejects

__all__ = [
    "Dtype",
    "Input",
    "InputOptions",
    "Inputs",
    "JobBudgetError",
    "JobChangedError",
    "JobError",
    "JobInputError",
    "JobOptions",
    "JobOutputError",
    "JobPlan",
    "JobProgress",
    "JobReport",
    "JobStoppedError",
    "OpenInput",
    "OutputRecord",
    "join",
    "open_like",
    "plan",
    "read_record",
    "retry_rejects",
    "run",
]
