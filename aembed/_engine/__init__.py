"""One embedder's calls: plan -> fan out -> [ retry( admit( timeout( provider ) ) -> check ) ] -> place rows.

layer                  the protocols: a call as the layers see it, and a layer
engine                 that line
call row_map states    one caller's call: which rows are there, which failed; rows of repeated texts
plan batch_cap         texts into batches; the most texts a server takes at once, learnt from rejections
fan_out retry timeout timed_provider check       one step of the line each
recovery               batches that failed for good: a smaller batch, a shorter text, the text at fault
isolation proof        the text that makes every batch fail; proof that the server works meanwhile
overlong               texts beyond the model's length, where the provider cannot truncate them
recorder listeners     counters and events; delivery of events
"""
