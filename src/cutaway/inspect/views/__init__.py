"""Plain ES modules that draw a recording; `page.py` puts them into a page."""
