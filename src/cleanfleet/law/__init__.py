"""How a rule becomes an answer; knows no country. See ``README.md`` in this folder."""
