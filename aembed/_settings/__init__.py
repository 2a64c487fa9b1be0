"""All that users set, and the only readers of environment and files.

base      the class of all settings: frozen, and a wrong value is an error that names its remedy
config    limits, retries, profiles; how layers merge
http      how connections are made
keys      where an API key comes from
"""
