"""From Python to machine code: the host's features, a builder of LLVM IR, mathematics in IR, an object cache, a loader."""
