"""What an agent's memory holds and does: carries recorded along frozen episodes (carries.py), read (probing.py), edited and
transplanted (interventions.py); and what moves in which phase, weights or activations (ledger.py)."""
