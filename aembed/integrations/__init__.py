"""aembed inside frameworks: each gets the provider's quota, retries, the cache and micro-batching of aembed.

    langchain     AembedEmbeddings
    llama_index   AembedEmbedding
    pydantic_ai   AembedEmbeddingModel
    haystack      AembedTextEmbedder, AembedDocumentEmbedder
    chroma        AembedEmbeddingFunction
    ray           EmbedBatches
    embedders     the embedders behind an adapter, on each event loop and for threads
    framework     the import of a framework, or the command that installs it

Each module needs the extra of its name: ``pip install "aembed[langchain]"``.
"""
