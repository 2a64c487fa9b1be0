"""One embedder's calls: plan -> fan out -> [ retry( admit( timeout( provider ) ) -> check ) ] -> place rows.

engine                       that line, and how a batch that was refused goes on
call                         one call's state: which rows are there, which failed
plan batch_cap               texts into batches; how many texts a server takes at once, learnt from refusals
fan_out retry timeout check  one step of the line each
overlong                     texts that are too long, where the provider cannot cut them
isolation proof              the text that makes every batch fail; that the server works meanwhile
listeners                    where every event goes through
"""
