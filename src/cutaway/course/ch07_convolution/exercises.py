"""Chapter 7, Convolution: padding, stride and channels, im2col, pooling, and the way back through all of them.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 7.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them; where one is
missing, the answer is compared with the library, or with numerical gradients.

Letters: N images, C channels, H rows, W columns, F filters, K the side of a filter, OH and OW the size of what comes out.
"""

import numpy as np


def correlate_spec(x, w):
    height, width = x.shape
    rows, columns = w.shape
    y = np.zeros((height - rows + 1, width - columns + 1))
    for i in range(height - rows + 1):
        for j in range(width - columns + 1):
            for a in range(rows):
                for b in range(columns):
                    y[i, j] += x[i + a, j + b] * w[a, b]
    return y


def correlate(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Slide w[KH, KW] over x[H, W]: at each place multiply what lies under it, number by number, and add up.

    x[H, W], w[KH, KW] -> y[H - KH + 1, W - KW + 1].  w is not turned round (mathematics calls this cross-correlation, and
    everyone in deep learning calls it convolution).
    """
    raise NotImplementedError


def out_size_spec(size, kernel, stride, padding):
    places = 0
    first = -padding
    while first + kernel <= size + padding:
        places += 1
        first += stride
    return places


def out_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """At how many places a kernel fits on a line of `size` numbers with `padding` more at each end, `stride` apart."""
    raise NotImplementedError


def pad_spec(x, padding):
    height, width = x.shape
    y = np.zeros((height + 2 * padding, width + 2 * padding))
    for i in range(height):
        for j in range(width):
            y[i + padding, j + padding] = x[i, j]
    return y


def pad(x: np.ndarray, padding: int) -> np.ndarray:
    """A frame of zeros around x[H, W], `padding` wide on all four sides."""
    raise NotImplementedError


def im2col_spec(x, kernel, stride, padding):
    images, channels, height, width = x.shape
    framed = np.stack([np.stack([pad_spec(plane, padding) for plane in image]) for image in x])
    rows = []
    for n in range(images):
        for i in range(0, height + 2 * padding - kernel + 1, stride):
            for j in range(0, width + 2 * padding - kernel + 1, stride):
                row = []
                for c in range(channels):
                    for a in range(kernel):
                        for b in range(kernel):
                            row.append(framed[n, c, i + a, j + b])
                rows.append(row)
    return np.array(rows)


def im2col(x: np.ndarray, kernel: int, stride: int, padding: int) -> np.ndarray:
    """Every patch that a K×K filter sees as a row: x[N, C, H, W] -> [N OH OW, C K K].

    Rows go image by image, from top to bottom, from left to right; within a row, channel by channel, then as one reads.
    """
    raise NotImplementedError


def conv_spec(x, w, b, stride, padding):
    images, _, height, width = x.shape
    filters, channels, kernel, _ = w.shape
    out_h = out_size_spec(height, kernel, stride, padding)
    out_w = out_size_spec(width, kernel, stride, padding)
    y = np.zeros((images, filters, out_h, out_w))
    for n in range(images):
        for f in range(filters):
            total = sum(correlate_spec(pad_spec(x[n, c], padding), w[f, c]) for c in range(channels)) + b[f]
            for i in range(out_h):
                for j in range(out_w):
                    y[n, f, i, j] = total[i * stride, j * stride]
    return y


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """A convolutional layer: each filter sees all channels, adds them up, and its bias.

    x[N, C, H, W], w[F, C, K, K], b[F] -> y[N, F, OH, OW].  Make it one product of your im2col with a matrix of the filters.
    """
    raise NotImplementedError


def col2im_spec(columns, shape, kernel, stride, padding):
    images, channels, height, width = shape
    framed = np.zeros((images, channels, height + 2 * padding, width + 2 * padding))
    row = 0
    for n in range(images):
        for i in range(0, height + 2 * padding - kernel + 1, stride):
            for j in range(0, width + 2 * padding - kernel + 1, stride):
                patch = columns[row].reshape(channels, kernel, kernel)
                framed[n, :, i : i + kernel, j : j + kernel] += patch
                row += 1
    return framed[:, :, padding : padding + height, padding : padding + width]


def col2im(columns: np.ndarray, shape: tuple[int, int, int, int], kernel: int, stride: int, padding: int) -> np.ndarray:
    """im2col, backward: lay every row back where it was cut out; where patches overlap, they add up.

    columns[N OH OW, C K K], shape (N, C, H, W) -> [N, C, H, W], without the frame.  A pixel that was in four patches
    has had a part in four rows, so it gets the sum of four gradients.
    """
    raise NotImplementedError


def conv_backward(
    g: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, padding: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of x[N, C, H, W], w[F, C, K, K] and b[F], for the gradient g[N, F, OH, OW] of `conv`'s result.

    With the patches as rows, P = im2col(x), and g as a matrix G[N OH OW, F], `conv` is P Wᵀ + b: an affine layer.
    """
    raise NotImplementedError


def maxpool_spec(x, size):
    images, channels, height, width = x.shape
    y = np.zeros((images, channels, height // size, width // size))
    for n in range(images):
        for c in range(channels):
            for i in range(height // size):
                for j in range(width // size):
                    y[n, c, i, j] = max(x[n, c, i * size + a, j * size + b] for a in range(size) for b in range(size))
    return y


def maxpool(x: np.ndarray, size: int) -> np.ndarray:
    """The largest number of each square of size×size, squares side by side.  x[N, C, H, W] -> [N, C, H/size, W/size].

    size divides H and W.
    """
    raise NotImplementedError


def maxpool_backward_spec(g, x, size):
    gx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(g.shape):
        places = [(i * size + a, j * size + b) for a in range(size) for b in range(size)]
        best = places[0]
        for place in places:
            if x[n, c, place[0], place[1]] > x[n, c, best[0], best[1]]:
                best = place
        gx[n, c, best[0], best[1]] = g[n, c, i, j]
    return gx


def maxpool_backward(g: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """The gradient of x[N, C, H, W] for the gradient g[N, C, H/size, W/size] of `maxpool`'s result.

    Only the largest number of a square had a part in the result.  If several are equal, the first of them, as one reads,
    gets the gradient: black pixels and ReLU's zeros are equal all the time.
    """
    raise NotImplementedError
