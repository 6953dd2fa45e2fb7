"""The page of episodes: a plain ES module and its style, beside those of `cutaway.inspect.views`."""
