"""The CO2 account registry: who holds which grams, who owes what, and by which operation it came about.

Rooms, lower ones first (an upper room may use a lower one, never the other way round): ``config``, ``ledger``, ``accounts``,
``vehicles``, ``payments``, ``acceptance``, ``transfers``. ``boot.start()`` makes the rooms ready for use in a program.
"""
