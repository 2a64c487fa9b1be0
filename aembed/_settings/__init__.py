"""All that users set, and the only readers of environment and files.

options policies http values   what can be set: for an embedder; in tables of their own; kinds of values
base                           the class of all settings: frozen, and a wrong value is an error with its remedy
config                         the configuration, and what an embedder runs with
sources environment trust      where a configuration comes from; which files may say where keys and texts go
layers                         how layers become one, field by field
keys keyring vendors           sources and receivers of a key; one that changes; a provider's variables and hosts
secrets                        what shows no key; what looks like one
"""
