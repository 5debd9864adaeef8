"""`mesasim bench peers`: other libraries' rates beside ours, each library in a virtual environment of its own, in one run.

command.py    the command
works.py      which work of a peer is put beside which of ours, and the aim
pins.py       what is installed for each peer
installing.py makes the environments
processes.py  a worker seen from here
workers/      what runs in the environments, told over a pipe; workers/ours.py is our side
measuring.py  rounds in turn, medians, ratios
page.py       rows → JSON lines, Markdown, figure
"""
