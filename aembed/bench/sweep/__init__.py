"""Sweeps over a grid: the trade between throughput and latency.

Modules:
    grid        cells: values of parameters, and the load
    blocks      estimates from blocks of a few seconds
    front       the cells that no other surely beats, those that need more blocks, and the one to recommend
    verdict     cells with their figures, and the verdict
    rounds      the cells that get a block next
    sweep       the measurement
"""
