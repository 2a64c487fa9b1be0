"""The model that comes with ``aembed[local]``: ``minilm`` finds its files, ``graph`` makes their graph a faster one.

``onnx_file`` and ``protobuf`` read and write what the graph is stored in.
"""
