"""Statements in plain words: one module for each family of statements, each with its table `WORDS`.

`words` holds the vocabulary, `written` the pieces quoted from the statement, `things` the nouns; nothing here guesses.
"""
