"""The sides of a comparison, a file each: how a framework builds a workload, takes weights over, steps and waits.

`make(variant, workload, threads)`, given the workload's module, returns an object with

    state()        weights and data as arrays by name: `w:` and the parameter's path, `d:` and the argument's number
    load(arrays)   take them over
    step()         one training step;  wait(result) until it is done;  loss(result) as a float
    train(on)      whether dropout acts
    probe()        optional: a loss to compare by, where steps draw what they learn from
    about()        what else it can tell: `flops` of a step, ...
"""
