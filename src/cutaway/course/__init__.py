"""The course: chapters that run, exercises that answer. `cutaway learn` opens it, `cutaway check` judges answers.

A chapter is a folder: `chapter.py` (a marimo notebook), `exercises.py` (typed stubs with a slow, obvious spec), `check.py`
(the exercises' records). docs/course-writing.md says how to write one.
"""
