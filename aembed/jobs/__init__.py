"""Bulk jobs: a file of any size in, its vectors out, and nothing lost on the way.

    report = await jobs.run("papers.jsonl", "papers.parquet", model="openai:text-embedding-3-small")

Modules:
    job work                    a job from start to end; its part in OUTPUT.job/
    options wanted              keywords of the input and the model; those of the outputs
    inputs spool streams foreign    names -> files; pipes; decompression, UTF-8; files of other kinds
    source reading columns template    the rows of all files, and how they are read
    readers rows                formats -> rows in blocks
    json_values arrow_values    values beyond JSON and beyond Python
    pieces vocabulary           long texts as several rows; the share of tokens a model does not know
    survey duplicates column_types    the first reading: fingerprint, repeated ids, types of columns
    chunks embedding budget     the second reading: rows -> requests -> vectors, within max_cost
    ledger journal vectors ranges    progress: finished rows, and their vectors
    assembly writers quantized  the third reading: rows and vectors -> outputs and rejects; smaller numbers
    paths directory placing     outputs; OUTPUT.job/ without links; finished files go to their places
    record keys                 how an output was made; a digest of each text
    existing reuse keeping      outputs of earlier jobs: complete, or a source of vectors; rows gone from the input
    joining like retry          the outputs of shards as one; their model again; only rejected rows
    models estimate             the embedder, and the settings that decide its vectors; a dry run
    monitor progress            progress reports
    arrow threads memory errors     pyarrow, if it is installed; work in threads, and tasks; free memory; the errors
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
