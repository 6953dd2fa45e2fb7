"""Looking into a compiled program: passes, kernels, code, memory, time; and one page that shows it all.

    passes.py     the graph before and after each pass
    cost.py       FLOP and bytes of a kernel           kernels.py    the table of kernels: predicted, measured, of the peak
    rehearsal.py  the program run on made-up memory, with the time noted around each kernel, on each thread
    timeline.py   one such run                         arena.py      which value lies where, and for how long
    listing.py    LLVM IR and assembly of a kernel
    drawing.py    pictures                             page.py       all of it as one HTML file (page.css, page.js)

Nothing here is needed to compile or to run, and nothing is imported before it is asked for.
"""
