"""From graph values to loop nests: reading an element of any value, and the kernels that fill whole buffers."""
