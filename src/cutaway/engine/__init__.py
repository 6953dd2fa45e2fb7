"""The compiler: trace -> graph -> passes -> loops -> LLVM -> threads."""
