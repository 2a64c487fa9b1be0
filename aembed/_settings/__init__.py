"""Settings of users, and the only readers of environment and files.

options policies http values   options of an embedder; tables of options; kinds of values
base                           the class of all settings: frozen; a wrong value is an error with its remedy
config                         the configuration, and the settings of an embedder
sources environment trust      files and variables of a configuration; files that may direct keys and texts
layers                         merges layers of settings, field by field
keys keyring vendors           sources and receivers of a key; one that changes; a provider's variables and hosts
secrets                        types that show no key; strings that look like one
"""
