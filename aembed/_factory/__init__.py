"""Owner of everything that lives longer than a call: embedders, providers, connections, caches, gates.

choice     the model a caller asks for: checks, secrets masked, the place that named it
providers  opens a provider with its account, address, key and connections; closes it with its last embedder
caches     the cache of each place, shared by the embedders that name it
layers     the layers of an embedder, in their order
embedders  the embedders that are open
health     one test request to each model
factory    the factory, and the function that makes one for a single embedder
"""

from aembed._factory.choice import masked
from aembed._factory.factory import EmbedderFactory, new_embedder, new_embedder_among

__all__ = ["EmbedderFactory", "masked", "new_embedder", "new_embedder_among"]
