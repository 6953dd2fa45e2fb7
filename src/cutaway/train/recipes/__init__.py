"""The recipes that come with Cutaway: `cutaway recipes` lists them, `cutaway recipes copy NAME FILE` hands one out."""
